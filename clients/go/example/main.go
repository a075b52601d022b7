// The four steps of a WeChat mini-program payment: `go run ./example unix:/run/shop/orders.sock`.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"orderstore"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	ctx := context.Background()
	client, err := orderstore.New(os.Args[1])
	check(err)

	// 1. The customer orders. The amount comes from your price list, in fen.
	no, err := client.NewOrderNo(ctx)
	check(err)
	created, err := client.Create(ctx, no, orderstore.Fields{
		"appid": "wxd2565e6a04246fd1", "_openid": "oZWaC4xeOVCUkip5njeEeXi1TEsk", "totalFee": 1990,
	})
	check(err)
	if created.Outcome.Name != "created" {
		log.Fatal(created.Outcome.Name)
	}

	// 2. Your server asks WeChat for a prepay_id, and records it.
	_, err = client.RecordPrepay(ctx, no, orderstore.Fields{
		"kind": "JSAPI", "value": "wx201410272009395522657a690389285100",
	})
	check(err)

	// 3. The mini-program calls wx.requestPayment, and the customer pays.

	// 4. WeChat notifies your server, which has checked the signature.
	reply, err := client.Confirm(ctx, no, orderstore.Fields{
		"transactionId": "4200" + no[8:], "paidFee": 1990, "timeEnd": time.Now().UnixMilli(),
		"source": orderstore.Fields{"callback": orderstore.Fields{"notifyId": "EV-2018022511223320873"}},
	})
	check(err)
	if !reply.Acknowledge {
		log.Fatal(reply.Outcome.Name) // only a durable payment is acknowledged to WeChat
	}

	order, err := client.Get(ctx, no)
	check(err)
	fmt.Println(string(order.Raw))
}
