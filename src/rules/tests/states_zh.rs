//! Chinese texts of the manual's chapter on statuses and commands.

use super::states::Chapter;

pub(super) const CHINESE: Chapter = Chapter {
    file: "zh/states.md",
    preface: "\
# 每种状态遇到每条命令

本章由测试 `every_status_meets_every_command` 根据规则本身生成。

每个单元格依次给出：结果、新状态（如有变化）、事件、下一步。没有事件时，订单库不写入任何内容。
*No ack* 表示服务器不得向支付渠道确认收到该事实。

*无记录* 一列：该单号没有任何记录。*等待中* 一列：支付 X 先于订单到达。其余各列为订单状态。
`Success` 与 `LatePaid` 的订单由 X 支付。除 `LatePaid` 的订单外，每个订单在创建时都已取得预支付。
每个订单都在七天后过期。策略为默认策略。

在可以退款的情况下，退款金额为 X 所付 100 分中的 60 分。

每行给出命令的时间：*随后* 指创建后一分钟，*稍后* 指创建后一小时，*已过期* 指订单过期后一分钟，
*已逾期* 指订单过期后十一分钟，长于十分钟的宽限期。
",
    columns: ["输入", "时间", "无记录", "等待中"],
    words: &[
        ("always", "任何时间"),
        ("soon", "随后"),
        ("later", "稍后"),
        ("expired", "已过期"),
        ("overdue", "已逾期"),
        ("Accept the first anomaly", "接受第一个异常"),
        ("Dismiss the first anomaly", "驳回第一个异常"),
        ("Refund the first anomaly", "对第一个异常退款"),
        (
            "ABNORMAL of one that was requested",
            "已申请的退款为 ABNORMAL",
        ),
        ("CLOSED of one that was requested", "已申请的退款为 CLOSED"),
        (
            "PROCESSING of one that was requested",
            "已申请的退款为 PROCESSING",
        ),
        (
            "SUCCESS of one that was requested",
            "已申请的退款为 SUCCESS",
        ),
        (
            "SUCCESS of one made elsewhere",
            "在别处发起的退款为 SUCCESS",
        ),
        ("SUCCESS of another amount", "退款 SUCCESS，金额不同"),
        (
            "SUCCESS of more than X paid",
            "退款 SUCCESS，金额超过 X 所付",
        ),
        ("SUCCESS again", "再次 SUCCESS"),
        ("SUCCESS of X", "X 为 SUCCESS"),
        ("REFUND of X", "X 为 REFUND"),
        ("Closed, believed", "Closed，采信"),
        ("X, which fits", "X，相符"),
        ("Y, which fits", "Y，相符"),
        ("a part of X", "X 的一部分"),
        ("again", "再次"),
        ("another amount", "金额不同"),
        ("another amount, again", "金额不同，再次"),
        ("another payer", "付款人不同"),
        ("at an older version", "基于较旧的版本"),
        ("at its version", "基于当前版本"),
        ("closed, advance", "已关闭，推进"),
        ("more than is left of X", "超过 X 的余额"),
        ("no such order", "渠道无此订单"),
        ("one that is due", "到期的退款"),
        ("one that is processing", "处理中的退款"),
        ("one that was requested", "已申请的退款"),
        ("paid by X, advance", "由 X 支付，推进"),
        ("paid by X, skip", "由 X 支付，跳过"),
        ("the reference of a paid order", "已支付订单的 reference"),
        (
            "the reference of a pending order with the same fields",
            "字段相同的待支付订单的 reference",
        ),
        (
            "the reference of another pending order",
            "另一个待支付订单的 reference",
        ),
        ("the same again", "再次相同"),
        ("the same fields", "字段相同"),
        ("the transaction of another order", "另一个订单的交易"),
        ("what was hidden", "已隐藏的订单"),
        ("when a query is due", "查询到期时"),
    ],
};
