<?php
/**
 * Client of the HTTP API of orderstore: one file, with the extensions curl and json.
 *
 * Connects to a Unix socket or to a loopback address, and keeps its connection open. Make one
 * client for each process, also after a fork.
 *
 * Fields have the names of the API (`totalFee`, `transactionId`). Amounts are integers in fen,
 * never floats: the server refuses 19.9 and 1990.0. Cursors and sums are strings.
 */

declare(strict_types=1);

namespace Orderstore;

/**
 * Failure of a request. `type` is the URN of the problem, `status` the HTTP status (0 without a
 * reply), `detail` the cause. `effect` is `notApplied`, `unknown` (applied completely or not at
 * all: send the same command again until it gets a reply) or `none` (the request had no command).
 */
final class StoreException extends \RuntimeException
{
    public function __construct(
        public readonly string $type,
        public readonly int $status,
        public readonly string $detail,
        public readonly string $effect,
        public readonly ?int $retryAfter = null,
    ) {
        parent::__construct("$detail ($type, status $status, effect $effect)");
    }

    /** @internal */
    public function asUnknown(): self
    {
        return new self($this->type, $this->status, $this->detail, 'unknown', $this->retryAfter);
    }
}

/** Returns the name of a reply's outcome, which is a text or an array with one field. */
function outcome(array $reply): string
{
    return is_string($reply['outcome']) ? $reply['outcome'] : array_key_first($reply['outcome']);
}

/** Client of one server. */
final class Client
{
    /** The server replies to a command within 30 seconds. Later than this, the connection is broken. */
    private const ANSWER_SECONDS = 40;

    private \CurlHandle $curl;
    private string $base;
    private array $options = [CURLOPT_RETURNTRANSFER => true, CURLOPT_PROXY => ''];
    private array $headers = ['Content-Type: application/json', 'Expect:'];
    private string $retryAfter = '';

    /**
     * `$address` is `unix:PATH` or `http://127.0.0.1:PORT`. `$limit` is the time in seconds in
     * which the client repeats a request. The last attempt may end up to 40 seconds later.
     */
    public function __construct(
        private string $address,
        ?string $token = null,
        private float $limit = 60,
    ) {
        $this->base = rtrim($address, '/');
        if (str_starts_with($address, 'unix:')) {
            $this->base = 'http://localhost';
            $this->options[CURLOPT_UNIX_SOCKET_PATH] = substr($address, strlen('unix:'));
        } elseif (!str_starts_with($address, 'http://')) {
            $why = 'expected unix:PATH or http://HOST:PORT as the address';
            throw new \InvalidArgumentException($why);
        }
        if ($token !== null) {
            $this->headers[] = "Authorization: Bearer $token";
        }
        $this->curl = curl_init();
    }

    // The four steps of a payment.

    /** Draws an order number that the store never issues again. */
    public function newOrderNo(): string
    {
        return $this->newOrderNos(1)[0];
    }

    /** Draws up to 1,024 order numbers. */
    public function newOrderNos(int $count): array
    {
        return $this->send('POST', '/v1/order-numbers', ['count' => $count])['outTradeNos'];
    }

    /** Creates an order. Requires `appid` and `totalFee`. */
    public function create(string $no, array $fields): array
    {
        return $this->send('POST', '/v1/orders', ['outTradeNo' => $no] + $fields);
    }

    /** Records the channel's prepay. Requires `kind` and `value`. */
    public function recordPrepay(string $no, array $fields): array
    {
        return $this->send('POST', self::order($no, '/prepay'), $fields);
    }

    /**
     * Records a payment that you have verified. Requires `transactionId`, `paidFee`, `timeEnd` and
     * `source`. Reply "received" to the channel only if `acknowledge` is true.
     */
    public function confirm(string $no, array $fields): array
    {
        return $this->send('POST', self::order($no, '/confirm'), $fields);
    }

    // Other commands.

    /** Reserves a refund. Requires `refundNo`, `transactionId` and `amount`. */
    public function requestRefund(string $no, array $fields): array
    {
        return $this->send('POST', self::order($no, '/refunds'), $fields);
    }

    /** Records the channel's report. Requires `transactionId`, `amount` and `state`. */
    public function recordRefund(string $no, string $refundNo, array $fields): array
    {
        $path = self::order($no, '/refunds/' . rawurlencode($refundNo) . '/record');
        return $this->send('POST', $path, $fields);
    }

    /** Runs any command under the name that it has in a batch, such as `beginClose`. */
    public function command(string $name, string $no, array $fields = []): array
    {
        $result = $this->batch([['command' => $name, 'outTradeNo' => $no] + $fields])[0];
        return $result instanceof StoreException ? throw $result : $result;
    }

    /**
     * Runs up to 1,024 commands, and returns a reply or a `StoreException` for each. `$minimal`
     * leaves the orders out of the replies. If the call throws, send the whole batch again.
     */
    public function batch(array $commands, bool $minimal = false): array
    {
        $until = self::now() + $this->limit;
        $path = $minimal ? '/v1/batch?return=minimal' : '/v1/batch';
        $commands = array_values($commands);
        $results = [];
        $todo = array_keys($commands);
        for ($attempt = 0; ; $attempt++) {
            $body = ['commands' => array_map(fn (int $i) => $commands[$i], $todo)];
            $found = $this->send('POST', $path, $body, until: $until)['results'];
            foreach ($todo as $at => $i) {
                if (isset($found[$at]['reply'])) {
                    $results[$i] = $found[$at]['reply'];
                } elseif (($results[$i]->effect ?? '') !== 'unknown') {
                    $problem = $found[$at]['problem'];
                    unset($problem['title']);
                    $results[$i] = new StoreException(...$problem);
                }
            }
            // Commands with a reply keep it. Only the others are sent again.
            $todo = array_values(array_filter($todo, fn (int $i) => self::isOpen($results[$i])));
            $pause = self::pause($attempt);
            if ($todo === [] || self::now() + $pause >= $until) {
                ksort($results);
                return $results;
            }
            self::sleep($pause);
        }
    }

    // Reads.

    /** Returns an order. Throws the problem `order-not-found` if there is none. */
    public function get(string $no): array
    {
        return $this->read(self::order($no));
    }

    /** Returns the events of an order. */
    public function history(string $no): array
    {
        return $this->read(self::order($no, '/history'))['events'];
    }

    /**
     * Returns a page of orders, newest first: `rows`, and `next` for the parameter `cursor`. The
     * other parameters are those of the API, such as `openid`, `status` and `limit`.
     */
    public function orders(array $query = []): array
    {
        return $this->read('/v1/orders', $query);
    }

    /**
     * Returns the events after a cursor, and waits up to `$wait` seconds for the first one. Store
     * the cursor `next` with your own data, and pass it as `$after`.
     */
    public function feed(?string $after = null, int $wait = 30, int $limit = 100): array
    {
        return $this->read('/v1/feed', ['after' => $after, 'wait' => $wait, 'limit' => $limit]);
    }

    /** Returns the number of orders by status, of unclaimed payments and of open anomalies. */
    public function counts(): array
    {
        return $this->read('/v1/counts');
    }

    /** Reads any route of the API, such as `/v1/due`. */
    public function read(string $path, array $query = []): array
    {
        $word = fn ($value) => is_bool($value) ? json_encode($value) : $value;
        $text = http_build_query(array_map($word, $query));
        return $this->send('GET', $text === '' ? $path : "$path?$text", wait: $query['wait'] ?? 0);
    }

    // Requests.

    /**
     * Sends a request, and repeats it with the same body until it is answered or `$limit` has
     * passed.
     *
     * Why a repeat is safe: every command names its order, payment or refund itself. The store
     * recognizes a second copy and applies nothing twice. The reply then shows what the first copy
     * did: `exists` in place of `created`, `duplicate` in place of `applied`. A lost order number
     * is never issued again. A command that was `unknown` once stays so until it gets a reply: a
     * later `notApplied` is about the later copy only.
     */
    private function send(
        string $method,
        string $path,
        ?array $fields = null,
        int $wait = 0,
        ?float $until = null,
    ): array {
        $until ??= self::now() + $this->limit;
        // As an object, because PHP would write an empty array as `[]`.
        $body = $fields === null ? null : json_encode((object) $fields, JSON_THROW_ON_ERROR);
        $isUnknown = false;
        for ($attempt = 0; ; $attempt++) {
            try {
                return $this->attempt($method, $path, $body, self::ANSWER_SECONDS + $wait);
            } catch (StoreException $error) {
                $mayPass = $error->status === 0 || $error->retryAfter !== null;
                if ($isUnknown || $error->effect === 'unknown') {
                    // Only a reply or a refusal of the request itself ends the repeats.
                    $mayPass = $error->status === 429 || intdiv($error->status, 100) !== 4;
                    $isUnknown = true;
                    $error = $error->asUnknown();
                }
                $pause = $error->retryAfter ?? self::pause($attempt);
                if (!$mayPass || self::now() + $pause >= $until) {
                    throw $error;
                }
            }
            self::sleep($pause);
        }
    }

    private function attempt(string $method, string $path, ?string $body, int $seconds): array
    {
        [$noEffect, $lost] = $method === 'POST' ? ['notApplied', 'unknown'] : ['none', 'none'];
        $this->retryAfter = '';
        // A reset keeps the connection, and no option of the previous request.
        curl_reset($this->curl);
        curl_setopt_array($this->curl, $this->options + [
            CURLOPT_URL => $this->base . $path,
            CURLOPT_CUSTOMREQUEST => $method,
            CURLOPT_HTTPHEADER => $this->headers,
            CURLOPT_TIMEOUT => $seconds,
            CURLOPT_HEADERFUNCTION => $this->header(...),
        ] + ($body === null ? [] : [CURLOPT_POSTFIELDS => $body]));
        $text = curl_exec($this->curl);
        if ($text === false) {
            $unsent = [CURLE_COULDNT_CONNECT, CURLE_COULDNT_RESOLVE_HOST];
            $effect = in_array(curl_errno($this->curl), $unsent, true) ? $noEffect : $lost;
            $why = curl_error($this->curl) . " ({$this->address})";
            throw new StoreException('urn:orderstore:client:disconnected', 0, $why, $effect);
        }
        $status = curl_getinfo($this->curl, CURLINFO_RESPONSE_CODE);
        $reply = json_decode($text, true, 512, JSON_BIGINT_AS_STRING);
        if ($status === 200 && is_array($reply)) {
            return $reply;
        }
        $hasTime = ctype_digit($this->retryAfter) && in_array($status, [429, 503], true);
        $after = $hasTime ? (int) $this->retryAfter : null;
        if (isset($reply['effect'])) {
            ['type' => $type, 'detail' => $detail, 'effect' => $effect] = $reply;
            throw new StoreException($type, $status, $detail, $effect, $after);
        }
        // A proxy replied, and not the server.
        $effect = $status >= 300 && $status < 500 ? $noEffect : $lost;
        $why = 'the reply is not one of orderstore';
        throw new StoreException('about:blank', $status, $why, $effect, $after);
    }

    private function header(\CurlHandle $curl, string $line): int
    {
        if (stripos($line, 'retry-after:') === 0) {
            $this->retryAfter = trim(substr($line, strlen('retry-after:')));
        }
        return strlen($line);
    }

    private static function order(string $no, string $rest = ''): string
    {
        return '/v1/orders/' . rawurlencode($no) . $rest;
    }

    private static function isOpen(array|StoreException $result): bool
    {
        return $result instanceof StoreException && ($result->effect === 'unknown'
            || $result->retryAfter !== null);
    }

    private static function pause(int $attempt): float
    {
        return min(0.02 * 2 ** $attempt, 0.25);
    }

    private static function sleep(float $seconds): void
    {
        usleep((int) ($seconds * 1_000_000));
    }

    private static function now(): float
    {
        return hrtime(true) / 1e9;
    }
}
