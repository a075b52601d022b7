//! Amounts on the command line. The operator must choose the unit: fen or yuan.

use clap::Args;
use orderstore::{Currency, Fen};

use crate::failure::Failure;

/// Amount in fen or in yuan.
#[derive(Args, Clone, Copy)]
#[group(required = true, multiple = false)]
pub(crate) struct Amount {
    /// Amount in fen, or in the minor unit of another currency: 1990 is 19.90 yuan
    #[arg(long, value_name = "N", value_parser = parse_fen)]
    fen: Option<Fen>,
    /// Amount in yuan, such as 19.90
    #[arg(long, value_name = "YUAN", value_parser = parse_yuan)]
    yuan: Option<Fen>,
}

impl Amount {
    /// Returns the amount in minor units of `currency`.
    pub(crate) fn of(self, currency: Currency) -> Result<Fen, Failure> {
        match (self.fen, self.yuan) {
            (Some(fen), None) => Ok(fen),
            (None, Some(fen)) if currency == Currency::CNY => Ok(fen),
            (None, Some(_)) => Err(Failure::usage(format_args!(
                "--yuan is only for CNY: give an amount in {currency} with --fen, in minor units \
                     (1990 is {})",
                show(1990, currency)
            ))),
            _ => Err(Failure::usage("give the amount with --fen or --yuan")),
        }
    }
}

fn parse_fen(text: &str) -> Result<Fen, String> {
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits {
        return Err("write fen with digits only, such as 1990 for 19.90 yuan".to_owned());
    }
    // Parsing fails only on overflow, and `u64::MAX` is above the maximum, too.
    let fen = Fen::new(text.parse().unwrap_or(u64::MAX)).map_err(|error| error.to_string())?;
    not_zero(fen)
}

fn parse_yuan(text: &str) -> Result<Fen, String> {
    let fen = Fen::parse_yuan(text).map_err(|error| error.to_string())?;
    not_zero(fen)
}

/// Rejects an amount of zero, because no verb accepts one.
fn not_zero(fen: Fen) -> Result<Fen, String> {
    match fen.is_zero() {
        true => Err("the amount must be at least 1 fen (0.01 yuan)".to_owned()),
        false => Ok(fen),
    }
}

/// Formats an amount for display: in yuan, or in the unit of its currency with the currency
/// code.
pub(crate) fn show(fen: u128, currency: Currency) -> String {
    yuan(fen, currency).unwrap_or_else(|| format!("{} {currency}", decimal(fen, currency)))
}

/// Formats an amount in yuan. Returns `None` for other currencies.
pub(crate) fn yuan(fen: u128, currency: Currency) -> Option<String> {
    (currency == Currency::CNY).then(|| decimal(fen, currency))
}

/// Formats an amount in the unit of its currency. The type is `u128` because sums may exceed
/// [`Fen::MAX`].
fn decimal(minor: u128, currency: Currency) -> String {
    let decimals = usize::from(currency.exponent());
    let digits = format!("{minor:0width$}", width = decimals + 1);
    match digits.split_at_checked(digits.len().saturating_sub(decimals)) {
        Some((whole, fraction)) if decimals > 0 => format!("{whole}.{fraction}"),
        _ => digits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fen_flag_needs_integer_and_yuan_flag_decimal() {
        assert_eq!(parse_fen("1990"), Fen::new(1990).map_err(|_| String::new()));
        for text in [
            "",
            "0",
            "19.90",
            "+1",
            "-1",
            " 1",
            "1e3",
            "9223372036854775808",
        ] {
            assert!(parse_fen(text).is_err(), "{text}");
        }
        assert_eq!(
            parse_yuan("19.9"),
            Fen::new(1990).map_err(|_| String::new())
        );
        assert!(parse_yuan("19.901").is_err() && parse_yuan("0.00").is_err());
    }

    #[test]
    fn yuan_amount_needs_currency_cny() {
        let (fen, yuan) = (Fen::new(5).ok(), Fen::new(500).ok());
        let usd = Currency::parse("USD").unwrap();
        let in_yuan = Amount { fen: None, yuan };
        let in_fen = Amount { fen, yuan: None };
        assert_eq!(in_yuan.of(Currency::CNY).unwrap().as_u64(), 500);
        assert!(in_yuan.of(usd).is_err());
        assert_eq!(in_fen.of(usd).unwrap().as_u64(), 5);
        assert!(Amount { fen, yuan }.of(Currency::CNY).is_err());
        assert!(
            Amount {
                fen: None,
                yuan: None
            }
            .of(Currency::CNY)
            .is_err()
        );
    }

    #[test]
    fn amount_prints_in_yuan_or_with_currency_code() {
        assert_eq!(show(1990, Currency::CNY), "19.90");
        assert_eq!(show(7, Currency::CNY), "0.07");
        let show_in = |minor, code| show(minor, Currency::parse(code).unwrap());
        assert_eq!(show_in(500, "JPY"), "500 JPY");
        assert_eq!(show_in(7, "USD"), "0.07 USD");
        assert_eq!(show_in(1500, "KWD"), "1.500 KWD");
        assert_eq!(
            show(u128::from(u64::MAX) * 100, Currency::CNY),
            format!("{}.00", u64::MAX)
        );
    }
}
