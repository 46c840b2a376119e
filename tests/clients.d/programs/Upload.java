import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.net.Authenticator;
import java.net.PasswordAuthentication;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.Base64;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** Uploads with the JDK's own clients, whose forms every program puts together itself. */
public class Upload {
    private static final String BOUNDARY = "JavaBoundary";
    private static final Duration TIMEOUT = Duration.ofSeconds(100);

    public static void main(String[] arguments) throws Exception {
        String way = arguments[0];
        switch (way) {
            case "version" -> System.out.println(System.getProperty("java.version"));
            case "url-connection", "url-connection-chunked" -> withUrlConnection(way);
            default -> withHttpClient(way);
        }
        // HttpClient's threads would keep the program running.
        System.exit(0);
    }

    private static void withHttpClient(String way) throws Exception {
        HttpClient.Builder client = HttpClient.newBuilder().sslContext(trust());
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(sent("URL"))).timeout(TIMEOUT);
        if (way.equals("authenticator")) {
            client.authenticator(new Authenticator() {
                @Override
                protected PasswordAuthentication getPasswordAuthentication() {
                    return new PasswordAuthentication(sent("USER"), sent("PASSWORD").toCharArray());
                }
            });
        } else {
            request.header("Authorization", login());
        }
        if (way.equals("http1.1")) client.version(HttpClient.Version.HTTP_1_1);
        if (way.equals("expect")) request.expectContinue(true);
        if (!way.equals("body")) request.header("Content-Type", "multipart/form-data; boundary=" + BOUNDARY);
        var response = client.build().send(request.POST(body(way)).build(), BodyHandlers.ofString());
        answer(response.statusCode(), response.body());
    }

    private static BodyPublisher body(String way) throws IOException {
        return switch (way) {
            case "lf" -> BodyPublishers.ofByteArray(form("\n"));
            case "println" -> BodyPublishers.ofByteArray(printedForm());
            case "stream" -> {
                byte[] form = form("\r\n");
                yield BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(form));
            }
            case "body" -> BodyPublishers.ofFile(Path.of(sent("FILE")));
            default -> BodyPublishers.ofByteArray(form("\r\n"));
        };
    }

    private static void withUrlConnection(String way) throws Exception {
        var connection = (HttpsURLConnection) URI.create(sent("URL")).toURL().openConnection();
        connection.setSSLSocketFactory(trust().getSocketFactory());
        connection.setReadTimeout((int) TIMEOUT.toMillis());
        connection.setRequestMethod("POST");
        connection.setRequestProperty("Authorization", login());
        connection.setRequestProperty("Content-Type", "multipart/form-data; boundary=" + BOUNDARY);
        connection.setDoOutput(true);
        if (way.equals("url-connection-chunked")) connection.setChunkedStreamingMode(64);
        try (var out = connection.getOutputStream()) {
            out.write(form("\r\n"));
        }
        int status = connection.getResponseCode();
        try (InputStream in = status < 400 ? connection.getInputStream() : connection.getErrorStream()) {
            answer(status, new String(in.readAllBytes(), StandardCharsets.UTF_8));
        }
    }

    private static byte[] form(String end) throws IOException {
        String head = "--" + BOUNDARY + end
                + "Content-Disposition: form-data; name=\"file\"; filename=\"users.csv\"" + end
                + "Content-Type: text/csv" + end + end;
        var form = new ByteArrayOutputStream();
        form.write(head.getBytes(StandardCharsets.UTF_8));
        form.write(Files.readAllBytes(Path.of(sent("FILE"))));
        form.write((end + "--" + BOUNDARY + "--" + end).getBytes(StandardCharsets.UTF_8));
        return form.toByteArray();
    }

    private static byte[] printedForm() throws IOException {
        var form = new ByteArrayOutputStream();
        try (var out = new PrintStream(form, false, StandardCharsets.UTF_8)) {
            out.println("--" + BOUNDARY);
            out.println("Content-Disposition: form-data; name=\"file\"; filename=\"users.csv\"");
            out.println();
            for (String line : Files.readAllLines(Path.of(sent("FILE")))) out.println(line);
            out.println("--" + BOUNDARY + "--");
        }
        return form.toByteArray();
    }

    private static String login() {
        byte[] login = (sent("USER") + ":" + sent("PASSWORD")).getBytes(StandardCharsets.UTF_8);
        return "Basic " + Base64.getEncoder().encodeToString(login);
    }

    private static SSLContext trust() throws Exception {
        var store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null);
        try (var pem = Files.newInputStream(Path.of(sent("CERTIFICATE")))) {
            store.setCertificateEntry("rollcall", CertificateFactory.getInstance("X.509").generateCertificate(pem));
        }
        var managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        managers.init(store);
        var context = SSLContext.getInstance("TLS");
        context.init(null, managers.getTrustManagers(), null);
        return context;
    }

    private static String sent(String name) {
        return System.getenv("UPLOAD_" + name);
    }

    private static void answer(int status, String body) {
        new PrintStream(System.out, true, StandardCharsets.UTF_8).printf("%s%n%d%n", body, status);
    }
}
