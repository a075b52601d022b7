// Package orderstore is a client of the HTTP API of orderstore: one file, standard library only.
//
// A Client connects to a Unix socket or to a loopback address, keeps its connections open, and may
// be used by several goroutines. Fields have the names of the API (totalFee, transactionId).
// Amounts are int64 in fen: the server refuses floats. Cursors and sums are strings.
package orderstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The server replies to a command within 30 seconds. Later than this, the connection is broken.
const answerTime = 40 * time.Second

// Fields are the fields of a command or the parameters of a read, by their names in the API.
type Fields map[string]any

// Error is the failure of a request.
type Error struct {
	Type   string `json:"type"`   // URN of the problem
	Status int    `json:"status"` // HTTP status, 0 without a reply
	Detail string `json:"detail"` // cause, and advice
	// Effect is "notApplied", "unknown" (applied completely or not at all: send the same command
	// again until it gets a reply) or "none" (the request had no command).
	Effect string `json:"effect"`
	// RetryAfter is the time in seconds after which the same request may succeed, if it may.
	RetryAfter *uint64 `json:"retryAfter"`
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s (%s, status %d, effect %s)", e.Detail, e.Type, e.Status, e.Effect)
}

// Outcome of a command: its name, and for some names an object with the details.
type Outcome struct {
	Name   string
	Detail json.RawMessage
}

// UnmarshalJSON reads an outcome, which is a text or an object with one field.
func (o *Outcome) UnmarshalJSON(text []byte) error {
	if json.Unmarshal(text, &o.Name) == nil {
		return nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return err
	}
	for o.Name, o.Detail = range fields {
	}
	return nil
}

// Reply to a command. Reply "received" to the channel only if Acknowledge is true.
type Reply struct {
	Outcome     Outcome `json:"outcome"`
	Acknowledge bool    `json:"acknowledge"`
	Order       *Order  `json:"order"`
}

// Order has the fields that most servers need. Raw has all of them.
type Order struct {
	OutTradeNo string          `json:"outTradeNo"`
	OpenID     string          `json:"_openid"`
	Reference  string          `json:"reference"`
	TotalFee   int64           `json:"totalFee"`
	FeeType    string          `json:"feeType"`
	PayStatus  string          `json:"payStatus"`
	Version    int64           `json:"version"`
	CreateTime int64           `json:"createTime"`
	ExpiresAt  int64           `json:"expiresAt"`
	Payment    *Payment        `json:"payment"`
	Raw        json.RawMessage `json:"-"`
}

// Payment of an order.
type Payment struct {
	TransactionID string `json:"transactionId"`
	PaidFee       int64  `json:"paidFee"`
	TimeEnd       int64  `json:"timeEnd"`
}

// UnmarshalJSON reads an order and keeps its text.
func (o *Order) UnmarshalJSON(text []byte) error {
	type plain Order
	o.Raw = append(o.Raw[:0], text...)
	return json.Unmarshal(text, (*plain)(o))
}

// Page of orders. Next is the parameter "cursor" of the next page, and empty on the last one.
type Page struct {
	Rows []Order `json:"rows"`
	Next string  `json:"next"`
}

// Event of an order. What has the name and the details of the event.
type Event struct {
	OutTradeNo string  `json:"outTradeNo"`
	Version    int64   `json:"version"`
	At         int64   `json:"at"`
	What       Outcome `json:"what"`
}

// FeedPage has events, and the cursor for the next request.
type FeedPage struct {
	Events []struct {
		Cursor string `json:"cursor"`
		Event  Event  `json:"event"`
	} `json:"events"`
	Next string `json:"next"`
}

// Counts has the number of orders by status, of unclaimed payments and of open anomalies.
type Counts struct {
	ByStatus      map[string]int64 `json:"byStatus"`
	Unclaimed     int64            `json:"unclaimed"`
	OpenAnomalies int64            `json:"openAnomalies"`
}

// Result of one command of a batch: a reply or an error.
type Result struct {
	Reply *Reply `json:"reply"`
	Err   *Error `json:"problem"`
}

// Client of one server.
type Client struct {
	// Token is sent as a bearer token, if there is one.
	Token string
	// Limit is the time in which the client repeats a request. Default: 60 s. The last attempt may
	// end up to 40 s later. A context can end the request earlier.
	Limit time.Duration
	base  string
	http  http.Client
}

// New returns a client. The address is "unix:PATH" or "http://127.0.0.1:PORT".
func New(address string) (*Client, error) {
	client := &Client{Limit: time.Minute, base: strings.TrimSuffix(address, "/")}
	transport := &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 25 * time.Second}
	if strings.HasPrefix(address, "unix:") {
		path := strings.TrimPrefix(address, "unix:")
		client.base = "http://localhost"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}
	} else if !strings.HasPrefix(address, "http://") {
		return nil, errors.New("expected unix:PATH or http://HOST:PORT as the address")
	}
	client.http.Transport = transport
	client.http.CheckRedirect = func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}
	return client, nil
}

// NewOrderNo draws an order number that the store never issues again.
func (c *Client) NewOrderNo(ctx context.Context) (string, error) {
	nos, err := c.NewOrderNos(ctx, 1)
	if err != nil {
		return "", err
	}
	return nos[0], nil
}

// NewOrderNos draws up to 1,024 order numbers.
func (c *Client) NewOrderNos(ctx context.Context, count int) ([]string, error) {
	var found struct {
		OutTradeNos []string `json:"outTradeNos"`
	}
	err := c.send(ctx, c.until(), "POST", "/v1/order-numbers", Fields{"count": count}, &found)
	return found.OutTradeNos, err
}

// Create creates an order. Requires appid and totalFee.
func (c *Client) Create(ctx context.Context, no string, fields Fields) (*Reply, error) {
	return c.post(ctx, "/v1/orders", with(fields, Fields{"outTradeNo": no}))
}

// RecordPrepay records the channel's prepay. Requires kind and value.
func (c *Client) RecordPrepay(ctx context.Context, no string, fields Fields) (*Reply, error) {
	return c.post(ctx, order(no)+"/prepay", fields)
}

// Confirm records a payment that you have verified. Requires transactionId, paidFee, timeEnd and
// source.
func (c *Client) Confirm(ctx context.Context, no string, fields Fields) (*Reply, error) {
	return c.post(ctx, order(no)+"/confirm", fields)
}

// RequestRefund reserves a refund. Requires refundNo, transactionId and amount.
func (c *Client) RequestRefund(ctx context.Context, no string, fields Fields) (*Reply, error) {
	return c.post(ctx, order(no)+"/refunds", fields)
}

// RecordRefund records the channel's report. Requires transactionId, amount and state.
func (c *Client) RecordRefund(
	ctx context.Context, no, refundNo string, fields Fields,
) (*Reply, error) {
	return c.post(ctx, order(no)+"/refunds/"+url.PathEscape(refundNo)+"/record", fields)
}

// Command runs any command under the name that it has in a batch, such as "beginClose".
func (c *Client) Command(ctx context.Context, name, no string, fields Fields) (*Reply, error) {
	command := with(fields, Fields{"command": name, "outTradeNo": no})
	results, err := c.Batch(ctx, []Fields{command}, false)
	if err != nil {
		return nil, err
	}
	if results[0].Err != nil {
		return nil, results[0].Err
	}
	return results[0].Reply, nil
}

// Batch runs up to 1,024 commands. minimal leaves the orders out of the replies. If it returns an
// error, send the whole batch again.
func (c *Client) Batch(ctx context.Context, commands []Fields, minimal bool) ([]Result, error) {
	until, path := c.until(), "/v1/batch"
	if minimal {
		path += "?return=minimal"
	}
	results, todo := make([]Result, len(commands)), make([]int, len(commands))
	for i := range todo {
		todo[i] = i
	}
	for attempt := 0; ; attempt++ {
		part := make([]Fields, len(todo))
		for at, i := range todo {
			part[at] = commands[i]
		}
		var found struct {
			Results []Result `json:"results"`
		}
		if err := c.send(ctx, until, "POST", path, Fields{"commands": part}, &found); err != nil {
			return nil, err
		}
		var again []int
		for at, i := range todo {
			wasUnknown := results[i].Err != nil && results[i].Err.Effect == "unknown"
			if found.Results[at].Reply != nil || !wasUnknown {
				results[i] = found.Results[at]
			}
			// Commands with a reply keep it. Only the others are sent again.
			if results[i].Err != nil && isOpen(results[i].Err) {
				again = append(again, i)
			}
		}
		todo = again
		if len(todo) == 0 || !sleep(ctx, pause(attempt), until) {
			return results, nil
		}
	}
}

// Get returns an order. The error has the type "…:order-not-found" if there is none.
func (c *Client) Get(ctx context.Context, no string) (*Order, error) {
	var found Order
	err := c.Read(ctx, order(no), nil, &found)
	return &found, err
}

// History returns the events of an order.
func (c *Client) History(ctx context.Context, no string) ([]Event, error) {
	var found struct {
		Events []Event `json:"events"`
	}
	err := c.Read(ctx, order(no)+"/history", nil, &found)
	return found.Events, err
}

// Orders returns a page of orders, newest first. The parameters are those of the API, such as
// openid, status, cursor and limit.
func (c *Client) Orders(ctx context.Context, query Fields) (*Page, error) {
	var found Page
	err := c.Read(ctx, "/v1/orders", query, &found)
	return &found, err
}

// Feed returns up to 1,000 events after a cursor, and waits up to 60 s for the first one. Store the
// cursor Next with your own data, and pass it as after.
func (c *Client) Feed(ctx context.Context, after string, wait time.Duration) (*FeedPage, error) {
	var found FeedPage
	query := Fields{"after": after, "wait": int(wait.Seconds()), "limit": 1000}
	err := c.Read(ctx, "/v1/feed", query, &found)
	return &found, err
}

// Counts returns the number of orders by status, of unclaimed payments and of open anomalies.
func (c *Client) Counts(ctx context.Context) (*Counts, error) {
	var found Counts
	err := c.Read(ctx, "/v1/counts", nil, &found)
	return &found, err
}

// Read reads any route of the API, such as /v1/due, into a value. Empty parameters are left out.
func (c *Client) Read(ctx context.Context, path string, query Fields, into any) error {
	text := url.Values{}
	for name, value := range query {
		if shown := fmt.Sprint(value); shown != "" {
			text.Set(name, shown)
		}
	}
	if len(text) > 0 {
		path += "?" + text.Encode()
	}
	return c.send(ctx, c.until(), "GET", path, nil, into)
}

func (c *Client) until() time.Time { return time.Now().Add(c.Limit) }

func (c *Client) post(ctx context.Context, path string, fields Fields) (*Reply, error) {
	var reply Reply
	if err := c.send(ctx, c.until(), "POST", path, with(fields, nil), &reply); err != nil {
		return nil, err
	}
	return &reply, nil
}

// send sends a request, and repeats it with the same body until it is answered or the time is over.
//
// Why a repeat is safe: every command names its order, payment or refund itself. The store
// recognizes a second copy and applies nothing twice. The reply then shows what the first copy did:
// "exists" in place of "created", "duplicate" in place of "applied". A lost order number is never
// issued again. A command that was "unknown" once stays so until it gets a reply: a later
// "notApplied" is about the later copy only.
func (c *Client) send(
	ctx context.Context, until time.Time, method, path string, fields Fields, into any,
) error {
	var body []byte
	if fields != nil {
		var err error
		if body, err = json.Marshal(fields); err != nil {
			return err
		}
	}
	isUnknown := false
	for attempt := 0; ; attempt++ {
		err := c.attempt(ctx, method, path, body, into)
		if err == nil {
			return nil
		}
		mayPass, wait := err.Status == 0 || err.RetryAfter != nil, pause(attempt)
		if isUnknown || err.Effect == "unknown" {
			// Only a reply or a refusal of the request itself ends the repeats.
			mayPass = err.Status == 429 || err.Status < 400 || err.Status >= 500
			isUnknown, err.Effect = true, "unknown"
		}
		if err.RetryAfter != nil {
			wait = time.Duration(*err.RetryAfter) * time.Second
		}
		if !mayPass || !sleep(ctx, wait, until) {
			return err
		}
	}
}

func (c *Client) attempt(ctx context.Context, method, path string, body []byte, into any) *Error {
	noEffect, lost := "none", "none"
	if method == "POST" {
		noEffect, lost = "notApplied", "unknown"
	}
	// A long poll waits up to 60 s.
	wait := answerTime
	if method == "GET" {
		wait += time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	disconnected := func(err error, effect string) *Error {
		return &Error{"urn:orderstore:client:disconnected", 0, err.Error(), effect, nil}
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return &Error{"about:blank", 400, err.Error(), noEffect, nil}
	}
	request.Header.Set("Content-Type", "application/json")
	if c.Token != "" {
		request.Header.Set("Authorization", "Bearer "+c.Token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		var failed *net.OpError
		if errors.As(err, &failed) && failed.Op == "dial" {
			return disconnected(err, noEffect)
		}
		return disconnected(err, lost)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return disconnected(err, lost)
	}
	status := response.StatusCode
	if status == 200 && json.Unmarshal(text, into) == nil {
		return nil
	}
	problem := &Error{}
	if status == 200 || json.Unmarshal(text, problem) != nil || problem.Effect == "" {
		// A proxy replied, and not the server.
		problem = &Error{"about:blank", status, "the reply is not one of orderstore", lost, nil}
		if status >= 300 && status < 500 {
			problem.Effect = noEffect
		}
	}
	problem.Status = status
	seconds, err := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 16)
	if err == nil && (status == 429 || status == 503) {
		problem.RetryAfter = &seconds
	}
	return problem
}

func order(no string) string { return "/v1/orders/" + url.PathEscape(no) }

// with returns a copy of the fields with more of them.
func with(fields, more Fields) Fields {
	all := Fields{}
	for _, part := range []Fields{fields, more} {
		for name, value := range part {
			all[name] = value
		}
	}
	return all
}

// isOpen returns whether a command of a batch is sent again.
func isOpen(e *Error) bool { return e.Effect == "unknown" || e.RetryAfter != nil }

func pause(attempt int) time.Duration {
	if attempt > 3 {
		return 250 * time.Millisecond
	}
	return 20 * time.Millisecond << attempt
}

// sleep returns false without a wait if the time is over before its end.
func sleep(ctx context.Context, wait time.Duration, until time.Time) bool {
	if !time.Now().Add(wait).Before(until) {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(wait):
		return true
	}
}
