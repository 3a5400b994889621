//! Plain objects: every field is in a sample, a refusal, or one of the names that are passed over.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidings_schema::UnixMillis;
use tidings_schema::wire::plain::decode;

fuzz_target!(|bytes: &[u8]| {
    let now = UnixMillis::new(1_795_456_115_802).expect("a time");
    let Ok(decoded) = decode(bytes, now) else { return };
    assert!(decoded.samples.len() + decoded.refused.len() > 0);
    for sample in &decoded.samples {
        let again = decode(&sample.alone, now).expect("a sample stands alone");
        assert_eq!((again.samples.len(), again.refused.len()), (1, 0));
        assert_eq!((&again.samples[0].sensor, again.samples[0].at), (&sample.sensor, sample.at));
        assert_eq!(again.samples[0].values.len(), sample.values.len());
    }
});
