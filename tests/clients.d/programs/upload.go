// Uploads with Go's standard library.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"
)

const nameWithAccents = `Schüler "5a"; März.csv`

func main() {
	if os.Args[1] == "version" {
		fmt.Println(strings.TrimPrefix(runtime.Version(), "go"))
		return
	}
	body, contentType := body(os.Args[1])
	request, err := http.NewRequest("POST", os.Getenv("UPLOAD_URL"), body)
	check(err)
	request.Header.Set("Content-Type", contentType)
	request.SetBasicAuth(os.Getenv("UPLOAD_USER"), os.Getenv("UPLOAD_PASSWORD"))
	response, err := client().Do(request)
	check(err)
	answer, err := io.ReadAll(response.Body)
	check(err)
	fmt.Printf("%s\n%d\n", answer, response.StatusCode)
}

func body(way string) (io.Reader, string) {
	file, err := os.ReadFile(os.Getenv("UPLOAD_FILE"))
	check(err)
	if way == "body" {
		return bytes.NewReader(file), "text/csv"
	}
	if way == "pipe" {
		reader, writer := io.Pipe()
		form := multipart.NewWriter(writer)
		go func() {
			writeForm(form, way, file)
			writer.Close()
		}()
		return reader, form.FormDataContentType()
	}
	var buffer bytes.Buffer
	form := multipart.NewWriter(&buffer)
	writeForm(form, way, file)
	return &buffer, form.FormDataContentType()
}

func writeForm(form *multipart.Writer, way string, file []byte) {
	if way == "field" {
		check(form.WriteField("file", string(file)))
	} else {
		name := "users.csv"
		if way == "name" {
			name = nameWithAccents
		}
		part, err := form.CreateFormFile("file", name)
		check(err)
		_, err = part.Write(file)
		check(err)
	}
	if way != "not-closed" {
		check(form.Close())
	}
}

func client() *http.Client {
	pem, err := os.ReadFile(os.Getenv("UPLOAD_CERTIFICATE"))
	check(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	return &http.Client{Transport: transport, Timeout: 100 * time.Second}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
