# Uploads with Ruby's Net::HTTP.
require "net/http"
require "openssl"

NAME_WITH_ACCENTS = 'Schüler "5a"; März.csv'

def data = File.binread(ENV.fetch("UPLOAD_FILE"))

def made_form(line_end)
  head = ["--made", 'Content-Disposition: form-data; name="file"; filename="users.csv"', "Content-Type: text/csv", ""]
  [*head, data.force_encoding("UTF-8"), "--made--", ""].join(line_end)
end

def fill(request, way)
  case way
  when "form" then request.set_form([["file", File.open(ENV.fetch("UPLOAD_FILE"), "rb")]], "multipart/form-data")
  when "text" then request.set_form([["file", data, { filename: "users.csv" }]], "multipart/form-data")
  when "name"
    # Net::HTTP joins name and data, so they have to be of one encoding.
    text = data.force_encoding("UTF-8")
    request.set_form([["file", text, { filename: NAME_WITH_ACCENTS }]], "multipart/form-data")
  when "field" then request.set_form([["file", data]], "multipart/form-data")
  when "crlf", "lf"
    request["Content-Type"] = "multipart/form-data; boundary=made"
    request.body = made_form(way == "lf" ? "\n" : "\r\n")
  when "body"
    request["Content-Type"] = "text/csv"
    request.body = data
  end
end

if ARGV[0] == "version"
  puts RUBY_VERSION
  exit
end
url = URI(ENV.fetch("UPLOAD_URL"))
request = Net::HTTP::Post.new(url)
request.basic_auth(ENV.fetch("UPLOAD_USER"), ENV.fetch("UPLOAD_PASSWORD"))
fill(request, ARGV[0])
options = { use_ssl: true, ca_file: ENV.fetch("UPLOAD_CERTIFICATE"), read_timeout: 100 }
response = Net::HTTP.start(url.host, url.port, **options) { |http| http.request(request) }
puts response.body, response.code
