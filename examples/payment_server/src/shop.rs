//! Items, prices and identity of the shop.

use orderstore::{AppId, Description, Fen, MchId, NewOrder, OpenId, Reference, ValueError};
use thiserror::Error;

/// Item that the shop sells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Goods {
    pub(crate) sku: &'static str,
    pub(crate) name: &'static str,
    /// Price in fen.
    pub(crate) price: u64,
}

/// Price list, the only source of amounts.
pub(crate) const GOODS: [Goods; 5] = [
    Goods {
        sku: "tea",
        name: "龙井茶 Longjing tea",
        price: 8_800,
    },
    Goods {
        sku: "cup",
        name: "盖碗 Gaiwan cup",
        price: 3_990,
    },
    Goods {
        sku: "cake",
        name: "桂花糕 Osmanthus cake",
        price: 1_280,
    },
    Goods {
        sku: "fan",
        name: "折扇 Folding fan",
        price: 2_650,
    },
    Goods {
        sku: "stamp",
        name: "邮票 Stamp",
        price: 1,
    },
];

/// App ID and merchant ID of the shop.
#[derive(Debug, Clone)]
pub(crate) struct Shop {
    pub(crate) appid: AppId,
    pub(crate) mch_id: MchId,
}

/// Reason why an item cannot be ordered.
#[derive(Debug, Error)]
pub(crate) enum ShopError {
    #[error("unknown item")]
    NoSuchGoods,
    #[error(transparent)]
    Value(#[from] ValueError),
}

impl Shop {
    pub(crate) fn new() -> Result<Self, ValueError> {
        Ok(Self {
            appid: AppId::parse("wxd2565e6a04246fd1")?,
            mch_id: MchId::parse("1900000109")?,
        })
    }

    /// Returns a new order of one item for a user, under a reference.
    pub(crate) fn order(
        &self,
        sku: &str,
        openid: &str,
        reference: &str,
    ) -> Result<NewOrder, ShopError> {
        let goods = GOODS.iter().find(|goods| goods.sku == sku);
        let goods = goods.ok_or(ShopError::NoSuchGoods)?;
        Ok(NewOrder::new(self.appid.clone(), Fen::new(goods.price)?)?
            .mch_id(self.mch_id.clone())
            .openid(OpenId::parse(openid)?)
            .description(Description::parse(goods.name)?)
            .reference(Reference::parse(reference)?))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn order_gets_listed_price_and_unknown_item_is_rejected() {
        let shop = Shop::new().unwrap();
        for goods in GOODS {
            let new = shop.order(goods.sku, "oUser", "R-1").unwrap();
            assert_eq!(new.total_fee().as_u64(), goods.price);
        }
        let names: HashSet<_> = GOODS.iter().map(|goods| goods.sku).collect();
        assert_eq!(names.len(), GOODS.len());
        let order = |sku, openid, reference| shop.order(sku, openid, reference);
        assert!(matches!(
            order("gold", "oUser", "R-1"),
            Err(ShopError::NoSuchGoods)
        ));
        assert!(matches!(
            order("tea", "o User", "R-1"),
            Err(ShopError::Value(_))
        ));
        assert!(matches!(
            order("tea", "oUser", ""),
            Err(ShopError::Value(_))
        ));
    }
}
