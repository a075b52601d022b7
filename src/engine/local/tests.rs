use super::*;

#[test]
fn a_store_is_made_closed_and_opened_again() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("shop");
    let options = LocalOptions::default();
    let engine = LocalEngine::init(&dir, &options).unwrap();
    let identity = engine.identity();
    engine.close().unwrap();
    let engine = LocalEngine::open(&dir, &options).unwrap();
    assert_eq!(engine.identity(), identity);
    assert!(engine.verify().unwrap().is_ok());
}
