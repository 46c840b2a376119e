<?php
// Uploads with PHP's curl extension and with its streams.
const BOUNDARY = 'PhpBoundary';

$way = $argv[1];
if ($way === 'version') {
    exit(PHP_VERSION . "\n");
}
[$url, $user, $password] = [getenv('UPLOAD_URL'), getenv('UPLOAD_USER'), getenv('UPLOAD_PASSWORD')];
[$certificate, $file] = [getenv('UPLOAD_CERTIFICATE'), getenv('UPLOAD_FILE')];

function crlf_form(string $file): string
{
    return '--' . BOUNDARY . "\r\n"
        . "Content-Disposition: form-data; name=\"file\"; filename=\"users.csv\"\r\n"
        . "Content-Type: text/csv\r\n\r\n"
        . file_get_contents($file) . "\r\n--" . BOUNDARY . "--\r\n";
}

function lf_form(string $file): string
{
    $boundary = BOUNDARY;
    $csv = file_get_contents($file);
    return <<<FORM
    --$boundary
    Content-Disposition: form-data; name="file"; filename="users.csv"
    Content-Type: text/csv

    $csv
    --$boundary--
    FORM;
}

if ($way === 'stream' || $way === 'lf') {
    $headers = ['Authorization: Basic ' . base64_encode("$user:$password"),
        'Content-Type: multipart/form-data; boundary=' . BOUNDARY];
    $form = $way === 'lf' ? lf_form($file) : crlf_form($file);
    $http = ['method' => 'POST', 'header' => $headers, 'content' => $form, 'ignore_errors' => true, 'timeout' => 100];
    $context = stream_context_create(['http' => $http, 'ssl' => ['cafile' => $certificate]]);
    $body = file_get_contents($url, false, $context);
    preg_match('/ (\d{3})/', $http_response_header[0], $status);
    exit("$body\n{$status[1]}\n");
}

$fields = match ($way) {
    'form', 'content-type' => ['file' => new CURLFile($file, 'text/csv', 'users.csv')],
    'string' => ['file' => new CURLStringFile(file_get_contents($file), 'users.csv', 'text/csv')],
    'field' => ['file' => "@$file"],
};
$curl = curl_init($url);
curl_setopt_array($curl, [
    CURLOPT_POSTFIELDS => $fields,
    CURLOPT_USERPWD => "$user:$password",
    CURLOPT_CAINFO => $certificate,
    CURLOPT_RETURNTRANSFER => true,
    CURLOPT_TIMEOUT => 100,
]);
if ($way === 'content-type') {
    curl_setopt($curl, CURLOPT_HTTPHEADER, ['Content-Type: multipart/form-data']);
}
$body = curl_exec($curl);
if ($body === false) {
    fwrite(STDERR, curl_error($curl) . "\n");
    exit(1);
}
echo $body, "\n", curl_getinfo($curl, CURLINFO_RESPONSE_CODE), "\n";
