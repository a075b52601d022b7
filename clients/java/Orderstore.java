package orderstore;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonSyntaxException;
import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Client of the HTTP API of orderstore: one file, with Gson. Java 17 or newer.
 *
 * <p>Connects to a loopback address and keeps its connections open. Threads may share a client.
 *
 * <p>Fields have the names of the API ({@code totalFee}, {@code transactionId}). Amounts are
 * {@code long} in fen, never {@code double}: the server refuses 19.9 and 1990.0. Cursors and sums
 * are strings.
 */
public final class Orderstore {
    // The server replies to a command within 30 seconds. Later than this, the connection is broken.
    private static final int ANSWER_SECONDS = 40;
    private static final Gson GSON = new GsonBuilder().serializeNulls().create();

    private final String base;
    private final String token;
    private final Duration limit;
    private final HttpClient http = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(Duration.ofSeconds(10))
            .build();

    /** Failure of a request. */
    public static final class StoreException extends RuntimeException {
        private static final long serialVersionUID = 1;

        /** URN of the problem. */
        public final String type;
        /** HTTP status, 0 without a reply. */
        public final int status;
        /** Cause, and advice. */
        public final String detail;
        /**
         * {@code notApplied}, {@code unknown} (applied completely or not at all: send the same
         * command again until it gets a reply) or {@code none} (the request had no command).
         */
        public final String effect;

        private final Long retryAfterMs;

        private StoreException(
                String type, int status, String detail, String effect, Long retryAfterMs) {
            super(detail + " (" + type + ", status " + status + ", effect " + effect + ")");
            this.type = type;
            this.status = status;
            this.detail = detail;
            this.effect = effect;
            this.retryAfterMs = retryAfterMs;
        }

        private static StoreException of(JsonObject problem, Long retryAfterMs) {
            return new StoreException(
                    problem.get("type").getAsString(),
                    problem.get("status").getAsInt(),
                    problem.get("detail").getAsString(),
                    problem.get("effect").getAsString(),
                    retryAfterMs);
        }

        private boolean isUnknown() {
            return effect.equals("unknown");
        }

        private StoreException asUnknown() {
            return new StoreException(type, status, detail, "unknown", retryAfterMs);
        }
    }

    /** Result of one command of a batch: one of both is null. */
    public record Result(JsonObject reply, StoreException error) {
        private boolean isOpen() {
            return error != null && (error.isUnknown() || error.retryAfterMs != null);
        }
    }

    /** Client with a time limit of 60 seconds and without a token. */
    public Orderstore(String address) {
        this(address, null, Duration.ofSeconds(60));
    }

    /**
     * Client of the server at {@code http://127.0.0.1:PORT}. {@code limit} is the time in which the
     * client repeats a request. The last attempt may end up to 40 seconds later. {@code token} may
     * be null.
     */
    public Orderstore(String address, String token, Duration limit) {
        if (!address.startsWith("http://")) {
            throw new IllegalArgumentException("expected http://HOST:PORT as the address");
        }
        this.base = address.replaceFirst("/$", "");
        this.token = token;
        this.limit = limit;
    }

    /** Returns the name of a reply's outcome, which is a text or an object with one field. */
    public static String outcome(JsonObject reply) {
        JsonElement found = reply.get("outcome");
        return found.isJsonPrimitive()
                ? found.getAsString()
                : found.getAsJsonObject().keySet().iterator().next();
    }

    /** Returns an object with these names and values, in turn. A value may be an object, too. */
    public static JsonObject fields(Object... namesAndValues) {
        JsonObject fields = new JsonObject();
        for (int i = 0; i < namesAndValues.length; i += 2) {
            fields.add((String) namesAndValues[i], GSON.toJsonTree(namesAndValues[i + 1]));
        }
        return fields;
    }

    // The four steps of a payment.

    /** Draws an order number that the store never issues again. */
    public String newOrderNo() {
        return newOrderNos(1).get(0);
    }

    /** Draws up to 1,024 order numbers. */
    public List<String> newOrderNos(int count) {
        List<String> nos = new ArrayList<>();
        JsonObject reply = post("/v1/order-numbers", fields("count", count));
        reply.getAsJsonArray("outTradeNos").forEach(no -> nos.add(no.getAsString()));
        return nos;
    }

    /** Creates an order. Requires {@code appid} and {@code totalFee}. */
    public JsonObject create(String no, JsonObject fields) {
        return post("/v1/orders", with(fields, fields("outTradeNo", no)));
    }

    /** Records the channel's prepay. Requires {@code kind} and {@code value}. */
    public JsonObject recordPrepay(String no, JsonObject fields) {
        return post(order(no, "/prepay"), fields);
    }

    /**
     * Records a payment that you have verified. Requires {@code transactionId}, {@code paidFee},
     * {@code timeEnd} and {@code source}. Reply "received" to the channel only if
     * {@code acknowledge} is true.
     */
    public JsonObject confirm(String no, JsonObject fields) {
        return post(order(no, "/confirm"), fields);
    }

    // Other commands.

    /** Reserves a refund. Requires {@code refundNo}, {@code transactionId} and {@code amount}. */
    public JsonObject requestRefund(String no, JsonObject fields) {
        return post(order(no, "/refunds"), fields);
    }

    /** Records the channel's report. Requires {@code transactionId}, {@code amount}, {@code state}. */
    public JsonObject recordRefund(String no, String refundNo, JsonObject fields) {
        return post(order(no, "/refunds/" + encoded(refundNo) + "/record"), fields);
    }

    /** Runs any command under the name that it has in a batch, such as {@code beginClose}. */
    public JsonObject command(String name, String no, JsonObject fields) {
        JsonObject command = with(fields, fields("command", name, "outTradeNo", no));
        Result result = batch(List.of(command), false).get(0);
        if (result.error() != null) {
            throw result.error();
        }
        return result.reply();
    }

    /**
     * Runs up to 1,024 commands. {@code minimal} leaves the orders out of the replies. If the call
     * throws, send the whole batch again.
     */
    public List<Result> batch(List<JsonObject> commands, boolean minimal) {
        long until = until();
        String path = minimal ? "/v1/batch?return=minimal" : "/v1/batch";
        TreeMap<Integer, Result> results = new TreeMap<>();
        List<Integer> todo = new ArrayList<>();
        for (int i = 0; i < commands.size(); i++) {
            todo.add(i);
        }
        for (int attempt = 0; ; attempt++) {
            JsonArray part = new JsonArray();
            todo.forEach(i -> part.add(commands.get(i)));
            JsonObject body = new JsonObject();
            body.add("commands", part);
            JsonArray found = send("POST", path, body, until).getAsJsonArray("results");
            List<Integer> again = new ArrayList<>();
            for (int at = 0; at < todo.size(); at++) {
                int i = todo.get(at);
                JsonObject result = found.get(at).getAsJsonObject();
                Result before = results.get(i);
                if (result.has("reply")) {
                    results.put(i, new Result(result.getAsJsonObject("reply"), null));
                } else if (before == null || !before.error().isUnknown()) {
                    JsonObject problem = result.getAsJsonObject("problem");
                    Long afterMs = problem.has("retryAfter")
                            ? problem.get("retryAfter").getAsLong() * 1000
                            : null;
                    results.put(i, new Result(null, StoreException.of(problem, afterMs)));
                }
                // Commands with a reply keep it. Only the others are sent again.
                if (results.get(i).isOpen()) {
                    again.add(i);
                }
            }
            todo = again;
            if (todo.isEmpty() || !sleep(pause(attempt), until)) {
                return List.copyOf(results.values());
            }
        }
    }

    // Reads.

    /** Returns an order. Throws the problem {@code order-not-found} if there is none. */
    public JsonObject get(String no) {
        return read(order(no, ""), Map.of());
    }

    /** Returns the events of an order. */
    public JsonArray history(String no) {
        return read(order(no, "/history"), Map.of()).getAsJsonArray("events");
    }

    /**
     * Returns a page of orders, newest first: {@code rows}, and {@code next} for the parameter
     * {@code cursor}. The other parameters are those of the API, such as {@code openid} and
     * {@code status}.
     */
    public JsonObject orders(Map<String, ?> query) {
        return read("/v1/orders", query);
    }

    /**
     * Returns up to 1,000 events after a cursor (null at the first call), and waits up to 60
     * seconds for the first one. Store the cursor {@code next} with your own data, and pass it as
     * {@code after}.
     */
    public JsonObject feed(String after, int waitSeconds) {
        TreeMap<String, Object> query = new TreeMap<>(Map.of("wait", waitSeconds, "limit", 1000));
        if (after != null) {
            query.put("after", after);
        }
        return read("/v1/feed", query);
    }

    /** Returns the number of orders by status, of unclaimed payments and of open anomalies. */
    public JsonObject counts() {
        return read("/v1/counts", Map.of());
    }

    /** Reads any route of the API, such as {@code /v1/due}. */
    public JsonObject read(String path, Map<String, ?> query) {
        StringBuilder text = new StringBuilder(path);
        query.forEach((name, value) -> {
            text.append(text.indexOf("?") < 0 ? '?' : '&');
            text.append(encoded(name)).append('=').append(encoded(String.valueOf(value)));
        });
        return send("GET", text.toString(), null, until());
    }

    // Requests.

    private JsonObject post(String path, JsonObject fields) {
        return send("POST", path, fields, until());
    }

    /**
     * Sends a request, and repeats it with the same body until it is answered or the time is over.
     *
     * <p>Why a repeat is safe: every command names its order, payment or refund itself. The store
     * recognizes a second copy and applies nothing twice. The reply then shows what the first copy
     * did: {@code exists} in place of {@code created}, {@code duplicate} in place of
     * {@code applied}. A lost order number is never issued again. A command that was
     * {@code unknown} once stays so until it gets a reply: a later {@code notApplied} is about the
     * later copy only.
     */
    private JsonObject send(String method, String path, JsonObject fields, long until) {
        String body = fields == null ? null : GSON.toJson(fields);
        boolean isUnknown = false;
        for (int attempt = 0; ; attempt++) {
            try {
                return attempt(method, path, body);
            } catch (StoreException error) {
                boolean mayPass = error.status == 0 || error.retryAfterMs != null;
                StoreException shown = error;
                if (isUnknown || error.isUnknown()) {
                    // Only a reply or a refusal of the request itself ends the repeats.
                    mayPass = error.status == 429 || error.status / 100 != 4;
                    isUnknown = true;
                    shown = error.asUnknown();
                }
                long wait = error.retryAfterMs != null ? error.retryAfterMs : pause(attempt);
                if (!mayPass || !sleep(wait, until)) {
                    throw shown;
                }
            }
        }
    }

    private JsonObject attempt(String method, String path, String body) {
        boolean isWrite = method.equals("POST");
        String noEffect = isWrite ? "notApplied" : "none";
        String lost = isWrite ? "unknown" : "none";
        // A long poll waits up to 60 s.
        Duration time = Duration.ofSeconds(isWrite ? ANSWER_SECONDS : ANSWER_SECONDS + 60);
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(base + path)).timeout(time);
        if (isWrite) {
            request.header("Content-Type", "application/json");
        }
        request.method(method, isWrite ? BodyPublishers.ofString(body) : BodyPublishers.noBody());
        if (token != null) {
            request.header("Authorization", "Bearer " + token);
        }
        HttpResponse<String> response;
        try {
            response = http.send(request.build(), BodyHandlers.ofString());
        } catch (ConnectException | HttpConnectTimeoutException error) {
            throw disconnected("cannot connect to " + base + ": " + error, noEffect);
        } catch (IOException error) {
            throw disconnected("the connection broke before the reply: " + error, lost);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
            throw disconnected("the thread was interrupted before the reply", lost);
        }
        JsonObject reply = parsed(response.body());
        int status = response.statusCode();
        if (status == 200 && reply != null) {
            return reply;
        }
        String after = response.headers().firstValue("retry-after").orElse("");
        boolean mayRetry = (status == 429 || status == 503) && after.matches("\\d{1,9}");
        Long afterMs = mayRetry ? Long.parseLong(after) * 1000 : null;
        if (reply != null && reply.has("effect")) {
            throw StoreException.of(reply, afterMs);
        }
        // A proxy replied, and not the server.
        String effect = status >= 300 && status < 500 ? noEffect : lost;
        String why = "the reply is not one of orderstore";
        throw new StoreException("about:blank", status, why, effect, afterMs);
    }

    private static StoreException disconnected(String detail, String effect) {
        return new StoreException("urn:orderstore:client:disconnected", 0, detail, effect, null);
    }

    private static JsonObject parsed(String text) {
        try {
            return GSON.fromJson(text, JsonObject.class);
        } catch (JsonSyntaxException error) {
            return null;
        }
    }

    private static JsonObject with(JsonObject fields, JsonObject more) {
        JsonObject all = fields.deepCopy();
        more.entrySet().forEach(field -> all.add(field.getKey(), field.getValue()));
        return all;
    }

    private static String order(String no, String rest) {
        return "/v1/orders/" + encoded(no) + rest;
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }

    private long until() {
        return System.nanoTime() + limit.toNanos();
    }

    private static long pause(int attempt) {
        return Math.min(20L << Math.min(attempt, 4), 250);
    }

    /** Returns false without a wait if the time would be over, or if the thread is interrupted. */
    private static boolean sleep(long ms, long until) {
        if (System.nanoTime() + ms * 1_000_000 - until >= 0) {
            return false;
        }
        try {
            Thread.sleep(ms);
            return true;
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
            return false;
        }
    }
}
