# Uploads with PowerShell 7's Invoke-WebRequest.
param([string] $Way)

if ($Way -eq 'version') { $PSVersionTable.PSVersion.ToString(); exit }
$login = [Convert]::ToBase64String([Text.Encoding]::UTF8.GetBytes("${env:UPLOAD_USER}:${env:UPLOAD_PASSWORD}"))
$send = @{
    Uri = $env:UPLOAD_URL; Method = 'Post'; Headers = @{ Authorization = "Basic $login" }; TimeoutSec = 100
    SkipHttpErrorCheck = $true; SkipCertificateCheck = $true
}
if ($Way -eq 'form') { $send.Form = @{ file = Get-Item $env:UPLOAD_FILE } }
elseif ($Way -eq 'infile') { $send.InFile = $env:UPLOAD_FILE; $send.ContentType = 'text/csv' }
else {
    $csv = [IO.File]::ReadAllText($env:UPLOAD_FILE)
    $form = "--made`nContent-Disposition: form-data; name=`"file`"; filename=`"users.csv`"`n`n$csv`n--made--`n"
    $send.Body = [Text.Encoding]::UTF8.GetBytes($form)
    $send.ContentType = 'multipart/form-data; boundary=made'
}
$response = Invoke-WebRequest @send
$response.Content
$response.StatusCode
