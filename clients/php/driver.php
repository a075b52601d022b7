<?php
// Program that the tests run: `php driver.php (rules|tour|load) ADDRESS [LEDGER ORDERS]`.

declare(strict_types=1);

require __DIR__ . '/Orderstore.php';

use Orderstore\Client;
use Orderstore\StoreException;

const APPID = 'wxd2565e6a04246fd1';
const WORKERS = 4;
const BATCH = 25;

/** Returns the outcome of a call, or its error. */
function word(callable $call): string
{
    try {
        return Orderstore\outcome($call());
    } catch (StoreException $error) {
        return "$error->effect $error->status " . substr(strrchr($error->type, ':'), 1);
    }
}

function order(int|float $fee): array
{
    return ['appid' => APPID, 'totalFee' => $fee];
}

function payment(string $no, int $fee): array
{
    return [
        'transactionId' => '4200' . substr($no, -24),
        'paidFee' => $fee,
        'timeEnd' => time() * 1000,
        'source' => 'query',
    ];
}

function named(string $command, string $no, array $fields): array
{
    return ['command' => $command, 'outTradeNo' => $no] + $fields;
}

/** Meets a server that fails by a script. */
function rules(string $address): void
{
    $client = new Client($address, token: 'secret', limit: 3);
    foreach (['cut', 'busy', 'poisoned', 'half'] as $no) {
        echo "$no ", word(fn () => $client->create($no, order(1))), "\n";
    }
    $commands = array_map(fn ($no) => named('create', $no, order(1)), ['A', 'B', 'C']);
    echo 'batch ', implode(' ', array_map(Orderstore\outcome(...), $client->batch($commands))), "\n";
    echo 'get ', word(fn () => $client->get('none')), "\n";
    $dead = new Client('http://127.0.0.1:1', limit: 0.1);
    echo 'dead ', word(fn () => $dead->create('A', order(1))), "\n";
}

/** Uses each method on a store that has only the order of the example. */
function tour(string $address): void
{
    $client = new Client($address);
    [$a, $b, $c, $d] = $client->newOrderNos(4);
    foreach ([$a, $b, $c] as $no) {
        echo 'create ', word(fn () => $client->create($no, ['_openid' => 'oTour'] + order(100))), "\n";
    }
    echo 'amount ', word(fn () => $client->create($d, order(19.9))), "\n";
    $prepay = ['kind' => 'JSAPI', 'value' => 'wx1'];
    echo 'prepay ', word(fn () => $client->recordPrepay($a, $prepay)), "\n";
    echo 'confirm ', word(fn () => $client->confirm($a, payment($a, 100))), "\n";
    $refund = ['transactionId' => payment($a, 100)['transactionId'], 'amount' => 40];
    echo 'refund ', word(fn () => $client->requestRefund($a, ['refundNo' => 'R|1'] + $refund)), "\n";
    $report = ['state' => 'SUCCESS'] + $refund;
    echo 'report ', word(fn () => $client->recordRefund($a, 'R|1', $report)), "\n";
    echo 'close ', word(fn () => $client->command('beginClose', $b)), "\n";
    $first = $client->orders(['openid' => 'oTour', 'limit' => 2]);
    $second = $client->orders(['openid' => 'oTour', 'limit' => 2, 'cursor' => $first['next']]);
    $isLast = json_encode($second['next'] === null);
    echo 'pages ', count($first['rows']), ' ', count($second['rows']), " $isLast\n";
    $some = $client->orders(['openid' => 'oTour', 'status' => 'success,closing']);
    echo 'status ', count($some['rows']), "\n";
    echo 'history ', count($client->history($a)), "\n";
    echo 'fee ', $client->get($a)['totalFee'], "\n";
    ['success' => $success, 'closing' => $closing, 'wait' => $wait] = $client->counts()['byStatus'];
    echo "counts $success $closing $wait\n";
    $feed = $client->feed(wait: 0, limit: 1000);
    $later = $client->feed(after: $feed['next'], wait: 1);
    echo 'feed ', count($feed['events']), ' ', count($later['events']), "\n";
    echo 'anomalies ', count($client->read('/v1/anomalies', ['reverse' => true])['rows']), "\n";
}

/** Creates and pays orders in several processes, and writes each outcome to the ledger. */
function load(string $address, string $ledger, int $orders): void
{
    $children = [];
    for ($worker = 0; $worker < WORKERS; $worker++) {
        $child = pcntl_fork();
        if ($child === 0) {
            work(new Client($address), fopen($ledger, 'a'), intdiv($orders, WORKERS * 2));
            exit(0);
        }
        $children[] = $child;
    }
    $failed = 0;
    foreach ($children as $child) {
        pcntl_waitpid($child, $status);
        $failed += $status;
    }
    exit($failed === 0 ? 0 : 1);
}

/** @param resource $file */
function work(Client $client, $file, int $share): void
{
    $tell = function (string $no, int $fee, string $step, $reply) use ($file): void {
        if ($reply instanceof StoreException) {
            throw $reply;
        }
        fwrite($file, "$no $fee $step " . Orderstore\outcome($reply) . "\n");
    };
    for ($begin = 0; $begin < $share; $begin += BATCH) {
        $nos = $client->newOrderNos(BATCH);
        $fee = fn (int $i) => 100 + $begin + $i;
        $all = array_keys($nos);
        $creates = array_map(fn ($i) => named('create', $nos[$i], order($fee($i))), $all);
        foreach ($client->batch($creates) as $i => $reply) {
            $tell($nos[$i], $fee($i), 'create', $reply);
        }
        $confirms = array_map(fn ($i) => named('confirm', $nos[$i], payment($nos[$i], $fee($i))), $all);
        foreach ($client->batch($confirms, minimal: true) as $i => $reply) {
            $tell($nos[$i], $fee($i), 'confirm', $reply);
        }
        foreach ($client->newOrderNos(BATCH) as $no) {
            $tell($no, 7, 'create', $client->create($no, order(7)));
            $tell($no, 7, 'confirm', $client->confirm($no, payment($no, 7)));
        }
    }
}

match ($argv[1]) {
    'rules' => rules($argv[2]),
    'tour' => tour($argv[2]),
    'load' => load($argv[2], $argv[3], (int) $argv[4]),
};
