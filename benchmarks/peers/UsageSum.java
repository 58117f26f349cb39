import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * The fold of `rating, one sum meter` in Kafka Streams: the sum of one property for each key, in a store with changelog.
 * No dedupe, at least once.
 *
 * <p>Arguments: bootstrap servers, topic, usage records in it, records left out of the figures, the frame of usage in
 * hex, property, state directory, commit interval in ms. The last line of its output is what it measured, as JSON.
 */
public final class UsageSum {
    /** What the stream has seen; touched by its one thread, read once that has stopped. */
    private static final class Progress {
        private final long records;
        private final long skipped;
        private final CountDownLatch done = new CountDownLatch(1);
        private long seen;
        private long beganNanos;
        private long cpuNanos;

        Progress(long records, long skipped) {
            this.records = records;
            this.skipped = skipped;
        }

        void count() {
            if (seen++ == skipped) {
                beganNanos = System.nanoTime();
                cpuNanos = cpuNanos();
            }
            if (seen == records) {
                done.countDown();
            }
        }

        /** All CPU time of this process: every thread, the compiler's and the collector's too. */
        static long cpuNanos() {
            return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
        }

        String json() throws IOException {
            double wall = (System.nanoTime() - beganNanos) / 1e9;
            double cpu = (cpuNanos() - cpuNanos) / 1e9;
            return "{\"type\":\"Measured\",\"records\":%d,\"wall_s\":%f,\"cpu_s\":%f,\"memory_bytes\":%d}"
                    .formatted(seen - skipped, wall, cpu, residentBytes());
        }

        private static long residentBytes() throws IOException {
            String pages = Files.readString(Path.of("/proc/self/statm")).split(" ")[1];
            return Long.parseLong(pages) * 4096;
        }
    }

    /** Usage as its record has it, every field read. */
    private record Usage(
            String tenant,
            String customer,
            String id,
            String source,
            String type,
            long occurredAtMicros,
            Map<String, String> properties,
            String subscription) {

        static Usage read(byte[] framed, int from) {
            Reader reader = new Reader(framed, from);
            return new Usage(
                    reader.text(),
                    reader.text(),
                    reader.text(),
                    reader.text(),
                    reader.text(),
                    reader.varint(),
                    reader.texts(),
                    reader.varint() == 0 ? null : reader.text());
        }
    }

    /** Avro's binary encoding, as far as usage needs it. */
    private static final class Reader {
        private final byte[] bytes;
        private int at;

        Reader(byte[] bytes, int from) {
            this.bytes = bytes;
            this.at = from;
        }

        long varint() {
            long value = 0;
            int shift = 0;
            byte next;
            do {
                next = bytes[at++];
                value |= (long) (next & 0x7f) << shift;
                shift += 7;
            } while (next < 0);
            return (value >>> 1) ^ -(value & 1);
        }

        String text() {
            int length = (int) varint();
            String text = new String(bytes, at, length, StandardCharsets.UTF_8);
            at += length;
            return text;
        }

        Map<String, String> texts() {
            Map<String, String> texts = new HashMap<>();
            for (long block = varint(); block != 0; block = varint()) {
                for (long entry = 0; entry < block; entry++) {
                    texts.put(text(), text());
                }
            }
            return texts;
        }
    }

    private UsageSum() {}

    public static void main(String[] arguments) throws Exception {
        String topic = arguments[1];
        Progress progress = new Progress(Long.parseLong(arguments[2]), Long.parseLong(arguments[3]));
        byte[] frame = HexFormat.of().parseHex(arguments[4]);
        String property = arguments[5];
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(topic, Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
                .filter((key, value) -> Arrays.equals(value, 0, frame.length, frame, 0, frame.length))
                .groupByKey(Grouped.with(Serdes.ByteArray(), Serdes.ByteArray()))
                .aggregate(
                        () -> 0L,
                        (key, value, sum) -> {
                            Usage usage = Usage.read(value, frame.length);
                            progress.count();
                            return sum + Long.parseLong(usage.properties().get(property));
                        },
                        Materialized.<byte[], Long, KeyValueStore<Bytes, byte[]>>as("sums")
                                .withKeySerde(Serdes.ByteArray())
                                .withValueSerde(Serdes.Long()));
        KafkaStreams streams = new KafkaStreams(builder.build(), settings(arguments[0], arguments[6], arguments[7]));
        streams.start();
        progress.done.await();
        streams.close(Duration.ofSeconds(60)); // flushes and commits, which counts
        System.out.println(progress.json());
    }

    private static Properties settings(String servers, String state, String commitIntervalMs) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, "usage-sum-" + UUID.randomUUID());
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, servers);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, state);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, commitIntervalMs);
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 64L << 20);
        settings.put("auto.offset.reset", "earliest");
        settings.put("max.poll.records", 5_000);
        return settings;
    }
}
