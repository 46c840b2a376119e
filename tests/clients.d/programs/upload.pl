# Uploads with Perl's LWP.
use strict;
use warnings;
use HTTP::Request::Common qw(POST);
use LWP::UserAgent;
use URI;

my $way = $ARGV[0];
if ($way eq 'version') {
    print "$LWP::UserAgent::VERSION\n";
    exit;
}
my ($url, $user, $password, $file) = @ENV{qw(UPLOAD_URL UPLOAD_USER UPLOAD_PASSWORD UPLOAD_FILE)};
open my $in, '<:raw', $file or die "$file: $!";
my $text = do { local $/; <$in> };

my %content = (
    form      => [Content_Type => 'form-data', Content => [file => [$file]]],
    dynamic   => [Content_Type => 'form-data', Content => [file => [$file]]],
    challenge => [Content_Type => 'form-data', Content => [file => [$file]]],
    name      => [Content_Type => 'form-data', Content => [file => [$file, 'Schüler "5a"; März.csv']]],
    field     => [Content_Type => 'form-data', Content => [file => $text]],
    body      => [Content_Type => 'text/csv', Content => $text],
);
# Reads the file while it is sent, chunked.
$HTTP::Request::Common::DYNAMIC_FILE_UPLOAD = 1 if $way eq 'dynamic';
my $request = POST($url, @{ $content{$way} });
my $client  = LWP::UserAgent->new(timeout => 100, ssl_opts => { SSL_ca_file => $ENV{UPLOAD_CERTIFICATE} });
if ($way eq 'challenge') {
    $client->credentials(URI->new($url)->host_port, 'Rollcall', $user, $password);
} else {
    $request->authorization_basic($user, $password);
}
my $response = $client->request($request);
# LWP makes up a 500 for a connection that failed.
die $response->status_line if ($response->header('Client-Warning') // '') eq 'Internal response';
print $response->content, "\n", $response->code, "\n";
