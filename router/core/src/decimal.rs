//! Decimal numbers, written without the formatting machinery.

/// Appends `value` in decimal.
///
/// Pieces whose length is known where they are written cost a store; others cost a call.
#[inline]
pub fn unsigned(value: u64, out: &mut Vec<u8>) {
    if value >= 10_000 {
        return long(value, out);
    }
    let ([a, b], [c, d]) = (pair(value / 100), pair(value));
    match value {
        0..10 => out.push(d),
        10..100 => out.extend_from_slice(&[c, d]),
        100..1_000 => out.extend_from_slice(&[b, c, d]),
        _ => out.extend_from_slice(&[a, b, c, d]),
    }
}

fn long(value: u64, out: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = value;
    while rest >= 10 {
        [digits[at - 2], digits[at - 1]] = pair(rest);
        at -= 2;
        rest /= 100;
    }
    if rest > 0 {
        at -= 1;
        [_, digits[at]] = pair(rest);
    }
    out.extend_from_slice(&digits[at..]);
}

/// The last two digits of a number.
#[inline]
pub(crate) const fn pair(value: u64) -> [u8; 2] {
    PAIRS[(value % 100) as usize]
}

const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut value: u8 = 0;
    while value < 100 {
        pairs[value as usize] = [b'0' + value / 10, b'0' + value % 10];
        value += 1;
    }
    pairs
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers() {
        for value in [
            0,
            7,
            10,
            99,
            100,
            999,
            1_000,
            9_999,
            10_000,
            65_535,
            123_456,
            u64::MAX,
        ] {
            let mut out = Vec::new();
            unsigned(value, &mut out);
            assert_eq!(out, value.to_string().as_bytes());
        }
    }
}
