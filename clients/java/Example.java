import static orderstore.Orderstore.fields;

import com.google.gson.JsonObject;
import orderstore.Orderstore;

/** The four steps of a WeChat mini-program payment, against {@code http://127.0.0.1:7700}. */
public final class Example {
    public static void main(String[] arguments) {
        Orderstore client = new Orderstore(arguments[0]);

        // 1. The customer orders. The amount comes from your price list, in fen.
        String no = client.newOrderNo();
        JsonObject created = client.create(no, fields(
                "appid", "wxd2565e6a04246fd1",
                "_openid", "oZWaC4xeOVCUkip5njeEeXi1TEsk",
                "totalFee", 1990));
        if (!Orderstore.outcome(created).equals("created")) {
            throw new IllegalStateException(created.toString());
        }

        // 2. Your server asks WeChat for a prepay_id, and records it.
        client.recordPrepay(no, fields(
                "kind", "JSAPI",
                "value", "wx201410272009395522657a690389285100"));

        // 3. The mini-program calls wx.requestPayment, and the customer pays.

        // 4. WeChat notifies your server, which has checked the signature.
        JsonObject reply = client.confirm(no, fields(
                "transactionId", "4200" + no.substring(8),
                "paidFee", 1990,
                "timeEnd", System.currentTimeMillis(),
                "source", fields("callback", fields("notifyId", "EV-2018022511223320873"))));
        // Only a durable payment is acknowledged to WeChat.
        if (!reply.get("acknowledge").getAsBoolean()) {
            throw new IllegalStateException(reply.toString());
        }

        System.out.println(client.get(no));
    }
}
