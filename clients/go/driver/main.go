// Program that the tests run: `driver (rules|tour|load) ADDRESS [LEDGER ORDERS]`.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"orderstore"
)

const (
	appid   = "wxd2565e6a04246fd1"
	workers = 4
	batch   = 25
)

type fields = orderstore.Fields

var ctx = context.Background()

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

// word returns the outcome of a call, or its error.
func word(reply *orderstore.Reply, err error) string {
	var problem *orderstore.Error
	switch {
	case errors.As(err, &problem):
		kind := problem.Type[strings.LastIndex(problem.Type, ":")+1:]
		return fmt.Sprintf("%s %d %s", problem.Effect, problem.Status, kind)
	case err != nil:
		log.Fatal(err)
	}
	return reply.Outcome.Name
}

func order(fee any) fields { return fields{"appid": appid, "totalFee": fee} }

func payment(no string, fee int) fields {
	now := time.Now().UnixMilli()
	return fields{"transactionId": "4200" + no[8:], "paidFee": fee, "timeEnd": now, "source": "query"}
}

func named(command, no string, of fields) fields {
	of["command"], of["outTradeNo"] = command, no
	return of
}

// rules meets a server that fails by a script.
func rules(client *orderstore.Client) {
	client.Token, client.Limit = "secret", 3*time.Second
	for _, no := range []string{"cut", "busy", "poisoned", "half"} {
		fmt.Println(no, word(client.Create(ctx, no, order(1))))
	}
	var commands []fields
	for _, no := range []string{"A", "B", "C"} {
		commands = append(commands, named("create", no, order(1)))
	}
	fmt.Print("batch")
	for _, result := range must(client.Batch(ctx, commands, false)) {
		fmt.Print(" ", result.Reply.Outcome.Name)
	}
	fmt.Println()
	_, err := client.Get(ctx, "none")
	fmt.Println("get", word(nil, err))
	dead := must(orderstore.New("http://127.0.0.1:1"))
	dead.Limit = 100 * time.Millisecond
	fmt.Println("dead", word(dead.Create(ctx, "A", order(1))))
}

// tour uses each method on a store that has only the order of the example.
func tour(client *orderstore.Client) {
	nos := must(client.NewOrderNos(ctx, 4))
	a, b := nos[0], nos[1]
	for _, no := range nos[:3] {
		of := order(100)
		of["_openid"] = "oTour"
		fmt.Println("create", word(client.Create(ctx, no, of)))
	}
	fmt.Println("amount", word(client.Create(ctx, nos[3], order(19.9))))
	fmt.Println("prepay", word(client.RecordPrepay(ctx, a, fields{"kind": "JSAPI", "value": "wx1"})))
	fmt.Println("confirm", word(client.Confirm(ctx, a, payment(a, 100))))
	transaction := "4200" + a[8:]
	fmt.Println("refund", word(client.RequestRefund(ctx, a,
		fields{"refundNo": "R|1", "transactionId": transaction, "amount": 40})))
	fmt.Println("report", word(client.RecordRefund(ctx, a, "R|1",
		fields{"transactionId": transaction, "amount": 40, "state": "SUCCESS"})))
	fmt.Println("close", word(client.Command(ctx, "beginClose", b, nil)))
	first := must(client.Orders(ctx, fields{"openid": "oTour", "limit": 2}))
	second := must(client.Orders(ctx, fields{"openid": "oTour", "limit": 2, "cursor": first.Next}))
	fmt.Println("pages", len(first.Rows), len(second.Rows), second.Next == "")
	some := must(client.Orders(ctx, fields{"openid": "oTour", "status": "success,closing"}))
	fmt.Println("status", len(some.Rows))
	fmt.Println("history", len(must(client.History(ctx, a))))
	fmt.Println("fee", must(client.Get(ctx, a)).TotalFee)
	counts := must(client.Counts(ctx)).ByStatus
	fmt.Println("counts", counts["success"], counts["closing"], counts["wait"])
	feed := must(client.Feed(ctx, "", 0))
	later := must(client.Feed(ctx, feed.Next, time.Second))
	fmt.Println("feed", len(feed.Events), len(later.Events))
	var anomalies struct{ Rows []any }
	must(0, client.Read(ctx, "/v1/anomalies", fields{"reverse": true}, &anomalies))
	fmt.Println("anomalies", len(anomalies.Rows))
}

// load creates and pays orders, and writes each outcome to the ledger.
func load(client *orderstore.Client, ledger string, orders int) {
	file := must(os.OpenFile(ledger, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600))
	tell := func(no string, fee int, step string, reply *orderstore.Reply, err error) {
		must(fmt.Fprintf(file, "%s %d %s %s\n", no, fee, step, must(reply, err).Outcome.Name))
	}
	batches := func(fee int, nos []string, step string, command func(string, int) fields) {
		commands := make([]fields, len(nos))
		for i, no := range nos {
			commands[i] = named(step, no, command(no, fee+i))
		}
		for i, result := range must(client.Batch(ctx, commands, step == "confirm")) {
			if result.Err != nil {
				log.Fatal(result.Err)
			}
			tell(nos[i], fee+i, step, result.Reply, nil)
		}
	}
	var working sync.WaitGroup
	for worker := 0; worker < workers; worker++ {
		working.Add(1)
		go func() {
			defer working.Done()
			for begin := 0; begin < orders/workers/2; begin += batch {
				nos := must(client.NewOrderNos(ctx, batch))
				batches(100+begin, nos, "create", func(_ string, fee int) fields { return order(fee) })
				batches(100+begin, nos, "confirm", payment)
				for _, no := range must(client.NewOrderNos(ctx, batch)) {
					reply, err := client.Create(ctx, no, order(7))
					tell(no, 7, "create", reply, err)
					reply, err = client.Confirm(ctx, no, payment(no, 7))
					tell(no, 7, "confirm", reply, err)
				}
			}
		}()
	}
	working.Wait()
}

func main() {
	client := must(orderstore.New(os.Args[2]))
	switch os.Args[1] {
	case "rules":
		rules(client)
	case "tour":
		tour(client)
	case "load":
		load(client, os.Args[3], must(strconv.Atoi(os.Args[4])))
	}
}
