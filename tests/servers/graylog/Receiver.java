import com.codahale.metrics.MetricRegistry;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpServer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.nio.NioEventLoopGroup;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.Security;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Executors;
import java.util.zip.GZIPInputStream;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.graylog2.inputs.codecs.GelfChunkAggregator;
import org.graylog2.inputs.codecs.GelfCodec;
import org.graylog2.inputs.transports.HttpTransport;
import org.graylog2.inputs.transports.NettyTransportConfiguration;
import org.graylog2.inputs.transports.TcpTransport;
import org.graylog2.inputs.transports.UdpTransport;
import org.graylog2.inputs.transports.netty.EventLoopGroupFactory;
import org.graylog2.plugin.LocalMetricRegistry;
import org.graylog2.plugin.Message;
import org.graylog2.plugin.configuration.Configuration;
import org.graylog2.plugin.inputs.MessageInput;
import org.graylog2.plugin.inputs.codecs.Codec;
import org.graylog2.plugin.inputs.transports.Transport;
import org.graylog2.plugin.inputs.util.ThroughputCounter;
import org.graylog2.plugin.journal.RawMessage;
import org.joda.time.DateTime;

/**
 * Graylog's own GELF inputs without the rest of Graylog. Prints each decoded message as a line of JSON with the fields
 * that Graylog would index.
 *
 * <p>Usage: {@code Receiver tcp|udp|http|bulk PORT [SETTING=VALUE]...}, on loopback, with the settings of Graylog's
 * inputs. {@code bulk} splits request bodies at line feeds, as newer versions document; the codec is the same.
 */
public final class Receiver {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final PrintStream OUT = new PrintStream(new FileOutputStream(FileDescriptor.out), true);

    public static void main(String[] arguments) {
        try {
            run(arguments);
        } catch (Exception | LinkageError error) {
            error.printStackTrace();
            System.exit(1);
        }
    }

    private static void run(String[] arguments) throws Exception {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bind_address", "127.0.0.1");
        settings.put("port", Integer.parseInt(arguments[1]));
        settings.put("use_null_delimiter", true);
        settings.put("number_worker_threads", 1);
        for (String setting : Arrays.asList(arguments).subList(2, arguments.length)) {
            String[] pair = setting.split("=", 2);
            settings.put(pair[0], value(pair[1]));
        }
        Security.addProvider(new BouncyCastleProvider()); // reads the key file
        Configuration configuration = new Configuration(settings);
        LocalMetricRegistry metrics = new LocalMetricRegistry();
        Transport transport = transport(arguments[0], configuration, metrics);
        Codec codec = new GelfCodec(
                configuration,
                new GelfChunkAggregator(Executors.newSingleThreadScheduledExecutor(), new MetricRegistry()));
        Input input = new Input(configuration, transport, metrics, codec);
        if (arguments[0].equals("bulk")) {
            receiveBulk(Integer.parseInt(arguments[1]), input);
        } else {
            transport.setMessageAggregator(codec.getAggregator());
            transport.launch(input);
        }
        System.err.println("ready");
        Thread.currentThread().join();
    }

    private static Object value(String text) {
        if (text.equals("true")) {
            return true;
        }
        return text.matches("\\d+") ? (Object) Integer.valueOf(text) : text;
    }

    private static Transport transport(String name, Configuration configuration, LocalMetricRegistry metrics) {
        NettyTransportConfiguration netty = new NettyTransportConfiguration("nio", "jdk", 1);
        EventLoopGroupFactory groups = new EventLoopGroupFactory(netty);
        EventLoopGroup group = new NioEventLoopGroup(1);
        ThroughputCounter throughput = new ThroughputCounter(group);
        org.graylog2.Configuration server = new org.graylog2.Configuration(); // its defaults: TLS 1.2 and 1.3
        return switch (name) {
            case "tcp" -> new TcpTransport(configuration, group, groups, netty, throughput, metrics, server);
            case "udp" -> new UdpTransport(configuration, groups, netty, throughput, metrics);
            case "http", "bulk" -> new HttpTransport(configuration, group, groups, netty, throughput, metrics, server);
            default -> throw new IllegalArgumentException(name);
        };
    }

    /** Accepts requests of several messages, each of which must end in a line feed. */
    private static void receiveBulk(int port, Input input) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
        server.createContext("/gelf", exchange -> {
            InputStream in = exchange.getRequestBody();
            boolean isCompressed = "gzip".equals(exchange.getRequestHeaders().getFirst("Content-Encoding"));
            byte[] bytes = (isCompressed ? new GZIPInputStream(in) : in).readAllBytes();
            String body = new String(bytes, StandardCharsets.UTF_8);
            int end = body.lastIndexOf('\n') + 1;
            body.substring(0, end).lines().forEach(line -> input.processRawMessage(raw(line)));
            if (end < body.length()) {
                System.err.println("refused: no line feed behind " + body.substring(end));
            }
            exchange.sendResponseHeaders(202, -1);
            exchange.close();
        });
        server.start();
    }

    private static RawMessage raw(String message) {
        return new RawMessage(message.getBytes(StandardCharsets.UTF_8));
    }

    /** An input that prints decoded messages instead of queueing them for a server. */
    private static final class Input extends MessageInput {
        private final Codec codec;

        Input(Configuration configuration, Transport transport, LocalMetricRegistry metrics, Codec codec) {
            super(
                    new MetricRegistry(),
                    configuration,
                    transport,
                    metrics,
                    codec,
                    new Config(new TcpTransport.Config(), new GelfCodec.Config()) {},
                    new Descriptor("GELF", false, "") {},
                    null);
            this.codec = codec;
        }

        @Override
        public void processRawMessage(RawMessage raw) {
            try {
                Message message = codec.decode(raw);
                Map<String, Object> fields = new TreeMap<>(message.getFields());
                fields.replaceAll((name, value) -> value instanceof DateTime ? value.toString() : value);
                OUT.write((JSON.writeValueAsString(fields) + "\n").getBytes(StandardCharsets.UTF_8));
            } catch (Exception error) {
                System.err.println("refused: " + error + ": " + new String(raw.getPayload(), StandardCharsets.UTF_8));
            }
        }
    }
}
