//! Writes ids and times into frames without a formatter, so that the load is not the bottleneck.
//!
//! In: numbers · Out: bytes · Thread: any (pure).

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A well-mixed number (splitmix64).
pub fn mixed(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A UUID of version 4 that belongs to the seed.
pub fn uuid(seed: u64) -> [u8; 36] {
    let (high, low) = (mixed(seed), mixed(!seed));
    let bits = (u128::from(high) << 64 | u128::from(low)) & !(0xf << 76) & !(0x3 << 62) | 4 << 76 | 2 << 62;
    let mut text = [b'-'; 36];
    let places = (0..36).filter(|place| ![8, 13, 18, 23].contains(place));
    for (digit, place) in places.enumerate() {
        text[place] = HEX[(bits >> (124 - 4 * digit)) as usize & 0xf];
    }
    text
}

/// ISO 8601 in UTC with milliseconds, of milliseconds since 1970.
pub fn time(epoch_ms: i64) -> [u8; 24] {
    let (day, ms) = (epoch_ms.div_euclid(86_400_000), epoch_ms.rem_euclid(86_400_000));
    // Civil date of a day number, by Howard Hinnant's algorithm.
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut put = |place: usize, digits: usize, mut value: i64| {
        for at in (place..place + digits).rev() {
            text[at] = b'0' + (value % 10) as u8;
            value /= 10;
        }
    };
    put(0, 4, year);
    put(5, 2, month);
    put(8, 2, of_year - (153 * from_march + 2) / 5 + 1);
    put(11, 2, ms / 3_600_000);
    put(14, 2, ms / 60_000 % 60);
    put(17, 2, ms / 1000 % 60);
    put(20, 3, ms % 1000);
    text
}

/// The seed of the id of a queue.
pub fn queue_seed(queue: usize) -> u64 {
    0x5eed_0000_0000_0000 + queue as u64
}

/// The id of a queue.
pub fn queue_id(queue: usize) -> String {
    String::from_utf8_lossy(&uuid(queue_seed(queue))).into_owned()
}
