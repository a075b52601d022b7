import static orderstore.Orderstore.fields;

import com.google.gson.JsonObject;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Supplier;
import orderstore.Orderstore;
import orderstore.Orderstore.Result;
import orderstore.Orderstore.StoreException;

/** Program that the tests run: {@code Driver (rules|tour|load) ADDRESS [LEDGER ORDERS]}. */
public final class Driver {
    private static final int WORKERS = 4;
    private static final int BATCH = 25;

    public static void main(String[] arguments) throws Exception {
        switch (arguments[0]) {
            case "rules" -> rules(arguments[1]);
            case "tour" -> tour(arguments[1]);
            default -> load(arguments[1], Path.of(arguments[2]), Integer.parseInt(arguments[3]));
        }
    }

    /** Returns the outcome of a call, or its error. */
    private static String word(Supplier<JsonObject> call) {
        try {
            return Orderstore.outcome(call.get());
        } catch (StoreException error) {
            String kind = error.type.substring(error.type.lastIndexOf(':') + 1);
            return error.effect + " " + error.status + " " + kind;
        }
    }

    private static void show(String name, Supplier<JsonObject> call) {
        System.out.println(name + " " + word(call));
    }

    private static JsonObject order(Number fee) {
        return fields("appid", "wxd2565e6a04246fd1", "totalFee", fee);
    }

    private static JsonObject payment(String no, long fee) {
        return fields("transactionId", "4200" + no.substring(8), "paidFee", fee,
                "timeEnd", System.currentTimeMillis(), "source", "query");
    }

    private static JsonObject named(String command, String no, JsonObject fields) {
        fields.addProperty("command", command);
        fields.addProperty("outTradeNo", no);
        return fields;
    }

    /** Meets a server that fails by a script. */
    private static void rules(String address) {
        Orderstore client = new Orderstore(address, "secret", Duration.ofSeconds(3));
        for (String no : List.of("cut", "busy", "poisoned", "half")) {
            show(no, () -> client.create(no, order(1)));
        }
        List<JsonObject> commands = new ArrayList<>();
        List.of("A", "B", "C").forEach(no -> commands.add(named("create", no, order(1))));
        StringBuilder outcomes = new StringBuilder("batch");
        for (Result result : client.batch(commands, false)) {
            outcomes.append(' ').append(Orderstore.outcome(result.reply()));
        }
        System.out.println(outcomes);
        show("get", () -> client.get("none"));
        Orderstore dead = new Orderstore("http://127.0.0.1:1", null, Duration.ofMillis(100));
        show("dead", () -> dead.create("A", order(1)));
    }

    /** Uses each method on a store that has only the order of the example. */
    private static void tour(String address) {
        Orderstore client = new Orderstore(address);
        List<String> nos = client.newOrderNos(4);
        String a = nos.get(0);
        for (String no : nos.subList(0, 3)) {
            JsonObject order = order(100);
            order.addProperty("_openid", "oTour");
            show("create", () -> client.create(no, order));
        }
        show("amount", () -> client.create(nos.get(3), order(19.9)));
        show("prepay", () -> client.recordPrepay(a, fields("kind", "JSAPI", "value", "wx1")));
        show("confirm", () -> client.confirm(a, payment(a, 100)));
        String transaction = "4200" + a.substring(8);
        show("refund", () -> client.requestRefund(a,
                fields("refundNo", "R|1", "transactionId", transaction, "amount", 40)));
        show("report", () -> client.recordRefund(a, "R|1",
                fields("transactionId", transaction, "amount", 40, "state", "SUCCESS")));
        show("close", () -> client.command("beginClose", nos.get(1), fields()));
        JsonObject first = client.orders(Map.of("openid", "oTour", "limit", 2));
        JsonObject second = client.orders(
                Map.of("openid", "oTour", "limit", 2, "cursor", first.get("next").getAsString()));
        boolean isLast = second.get("next").isJsonNull();
        System.out.println("pages " + rows(first) + " " + rows(second) + " " + isLast);
        Map<String, String> some = Map.of("openid", "oTour", "status", "success,closing");
        System.out.println("status " + rows(client.orders(some)));
        System.out.println("history " + client.history(a).size());
        System.out.println("fee " + client.get(a).get("totalFee").getAsLong());
        JsonObject counts = client.counts().getAsJsonObject("byStatus");
        System.out.print("counts " + counts.get("success") + " " + counts.get("closing"));
        System.out.println(" " + counts.get("wait"));
        JsonObject feed = client.feed(null, 0);
        JsonObject later = client.feed(feed.get("next").getAsString(), 1);
        int events = feed.getAsJsonArray("events").size();
        System.out.println("feed " + events + " " + later.getAsJsonArray("events").size());
        System.out.println("anomalies " + rows(client.read("/v1/anomalies", Map.of("reverse", true))));
    }

    private static int rows(JsonObject page) {
        return page.getAsJsonArray("rows").size();
    }

    /** Creates and pays orders, and writes each outcome to the ledger. */
    private static void load(String address, Path ledger, int orders) throws Exception {
        Orderstore client = new Orderstore(address);
        Callable<Void> worker = () -> {
            for (int begin = 0; begin < orders / WORKERS / 2; begin += BATCH) {
                List<String> nos = client.newOrderNos(BATCH);
                List<JsonObject> creates = new ArrayList<>();
                List<JsonObject> confirms = new ArrayList<>();
                for (int i = 0; i < BATCH; i++) {
                    int fee = 100 + begin + i;
                    creates.add(named("create", nos.get(i), order(fee)));
                    confirms.add(named("confirm", nos.get(i), payment(nos.get(i), fee)));
                }
                tell(ledger, nos, 100 + begin, "create", client.batch(creates, false));
                tell(ledger, nos, 100 + begin, "confirm", client.batch(confirms, true));
                for (String no : client.newOrderNos(BATCH)) {
                    tell(ledger, no, 7, "create", client.create(no, order(7)));
                    tell(ledger, no, 7, "confirm", client.confirm(no, payment(no, 7)));
                }
            }
            return null;
        };
        ExecutorService threads = Executors.newFixedThreadPool(WORKERS);
        List<Future<Void>> running = threads.invokeAll(Collections.nCopies(WORKERS, worker));
        threads.shutdown();
        for (Future<Void> one : running) {
            one.get();
        }
    }

    private static void tell(Path ledger, List<String> nos, int fee, String step, List<Result> results)
            throws Exception {
        for (int i = 0; i < results.size(); i++) {
            if (results.get(i).error() != null) {
                throw results.get(i).error();
            }
            tell(ledger, nos.get(i), fee + i, step, results.get(i).reply());
        }
    }

    private static void tell(Path ledger, String no, int fee, String step, JsonObject reply)
            throws Exception {
        String line = no + " " + fee + " " + step + " " + Orderstore.outcome(reply) + "\n";
        Files.writeString(ledger, line, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }
}
