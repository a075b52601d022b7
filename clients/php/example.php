<?php
// The four steps of a WeChat mini-program payment: `php example.php unix:/run/shop/orders.sock`.

declare(strict_types=1);

require __DIR__ . '/Orderstore.php';

$client = new Orderstore\Client($argv[1]);

// 1. The customer orders. The amount comes from your price list, in fen.
$no = $client->newOrderNo();
$created = $client->create($no, [
    'appid' => 'wxd2565e6a04246fd1',
    '_openid' => 'oZWaC4xeOVCUkip5njeEeXi1TEsk',
    'totalFee' => 1990,
]);
if (Orderstore\outcome($created) !== 'created') {
    exit(1);
}

// 2. Your server asks WeChat for a prepay_id, and records it.
$client->recordPrepay($no, ['kind' => 'JSAPI', 'value' => 'wx201410272009395522657a690389285100']);

// 3. The mini-program calls wx.requestPayment, and the customer pays.

// 4. WeChat notifies your server, which has checked the signature.
$reply = $client->confirm($no, [
    'transactionId' => '4200' . substr($no, -24), 'paidFee' => 1990, 'timeEnd' => time() * 1000,
    'source' => ['callback' => ['notifyId' => 'EV-2018022511223320873']],
]);
if (!$reply['acknowledge']) {
    exit(1); // only a durable payment is acknowledged to WeChat
}

echo json_encode($client->get($no)), "\n";
