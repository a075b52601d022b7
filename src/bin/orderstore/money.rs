//! Money as a person gives it: in fen or in yuan, said explicitly, and never guessed.

use clap::Args;
use orderstore::{Currency, Fen, FenError};

use crate::failure::Failure;

/// An amount, in the one unit or in the other.
#[derive(Args, Clone, Copy)]
#[group(required = true, multiple = false)]
pub(crate) struct Amount {
    /// The amount in fen, or another currency's minor units: 1990 is 19.90 yuan
    #[arg(long, value_name = "N", value_parser = parse_fen)]
    fen: Option<Fen>,
    /// The amount in yuan: 19.90
    #[arg(long, value_name = "YUAN", value_parser = parse_yuan)]
    yuan: Option<Fen>,
}

impl Amount {
    /// The amount in minor units of `currency`.
    pub(crate) fn of(self, currency: Currency) -> Result<Fen, Failure> {
        match (self.fen, self.yuan) {
            (Some(fen), None) => Ok(fen),
            (None, Some(fen)) if currency == Currency::CNY => Ok(fen),
            (None, Some(_)) => Err(Failure::usage(format_args!(
                "yuan are CNY: give an amount of {currency} in its minor units with --fen, \
                     where 1990 is {}",
                show(1990, currency)
            ))),
            _ => Err(Failure::usage("give the amount with --fen or with --yuan")),
        }
    }
}

fn parse_fen(text: &str) -> Result<Fen, String> {
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits {
        return Err("fen are digits and nothing else, such as 1990 for 19.90 yuan".to_owned());
    }
    let fen = text.parse().map_err(|_| FenError::TooLarge.to_string())?;
    let fen = Fen::new(fen).map_err(|error| error.to_string())?;
    some(fen)
}

fn parse_yuan(text: &str) -> Result<Fen, String> {
    let fen = Fen::parse_yuan(text).map_err(|error| error.to_string())?;
    some(fen)
}

/// No verb takes an amount of nothing.
fn some(fen: Fen) -> Result<Fen, String> {
    match fen.is_zero() {
        true => Err("an amount is at least 1 fen, which is 0.01 yuan".to_owned()),
        false => Ok(fen),
    }
}

/// An amount of any size as it is shown: in yuan, or in its currency's unit with the currency.
pub(crate) fn show(fen: u128, currency: Currency) -> String {
    yuan(fen, currency).unwrap_or_else(|| format!("{} {currency}", decimal(fen, currency)))
}

/// The amount in yuan, where it is of yuan.
pub(crate) fn yuan(fen: u128, currency: Currency) -> Option<String> {
    (currency == Currency::CNY).then(|| decimal(fen, currency))
}

/// Sums are wider than any one amount.
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
    fn fen_are_whole_and_yuan_have_a_point() {
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
    fn yuan_are_of_no_other_currency() {
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
    fn an_amount_is_shown_in_yuan_or_in_what_it_is() {
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
