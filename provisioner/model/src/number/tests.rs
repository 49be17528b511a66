//! Numbers as Terraform's console answers for them.

use super::Number;

fn number(text: &str) -> Number {
    Number::parse(text).unwrap()
}

const THIRD: &str = "0.33333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333335";

#[test]
fn decimals_are_read_and_written() {
    for (given, shown) in [
        ("1e3", "1000"),
        ("2.50", "2.5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("+7", "7"),
        ("-0", "-0"),
        ("1p3", "8"),
        ("inf", "+Inf"),
        ("-Inf", "-Inf"),
        ("0.1", "0.1"),
        ("9223372036854775807", "9223372036854775807"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("1e-7", "0.0000001"),
    ] {
        assert_eq!(number(given).to_string(), shown, "{given}");
    }
    let wrong = [
        "",
        "-",
        ".",
        "0x10",
        "1_000",
        " 5",
        "1e",
        "1e+",
        "1.2.3",
        "infinity",
        "é1",
        "1e99999999999",
        "--1",
    ];
    for text in wrong {
        assert_eq!(Number::parse(text), None, "{text}");
    }
}

#[test]
fn a_quotient_has_the_digits_of_its_precision() {
    assert_eq!(number("1").checked_div(&number("3")).unwrap().to_string(), THIRD);
    let counted = Number::from(1).checked_div(&Number::from(3)).unwrap();
    assert_eq!(counted.to_string(), "0.33333333333333333334");
    assert_eq!(Number::from_f64(2_f64.powi(60)).unwrap().to_string(), "1152921504606847000");
    assert_eq!(number("0.1").checked_add(&number("0.2")).unwrap(), number("0.3"));
}

#[test]
fn whole_numbers_grow_out_of_64_bits_and_back() {
    let most = number("9223372036854775807");
    let more = most.checked_add(&number("1")).unwrap();
    assert_eq!(more.to_string(), "9223372036854775808");
    assert_eq!((more.as_i64(), more.as_u64()), (None, Some(1 << 63)));
    assert_eq!(more.checked_sub(&number("1")).unwrap().as_i64(), Some(i64::MAX));
    assert_eq!(number("-9223372036854775808").negated(), more);
    assert_eq!(
        most.checked_mul(&most).unwrap().to_string(),
        "85070591730234615847396907784232501249"
    );
}

#[test]
fn zero_and_infinity_follow_their_own_rules() {
    let (zero, one, infinite) = (number("0"), number("1"), Number::infinite(false));
    assert_eq!(one.checked_div(&zero).unwrap(), infinite);
    assert_eq!(one.negated().checked_div(&zero).unwrap(), infinite.negated());
    assert_eq!(zero.checked_div(&zero), None);
    assert_eq!(infinite.checked_sub(&infinite), None);
    assert_eq!(infinite.checked_mul(&zero), None);
    assert_eq!(one.checked_rem(&zero).unwrap(), one);
    assert_eq!(zero.checked_mul(&one.negated()).unwrap().to_string(), "-0");
    assert_eq!(zero.negated(), zero);
    assert!(infinite > number("1e1000") && infinite.negated() < number("-1e1000"));
}

#[test]
fn the_rest_of_a_division_has_the_sign_of_the_dividend() {
    let rest = |left, right| number(left).checked_rem(&number(right)).unwrap().to_string();
    assert_eq!(rest("-7", "3"), "-1");
    assert_eq!(rest("5.5", "2"), "1.5");
    assert_eq!(rest("12345678901234567890", "7"), "1");
}

#[test]
fn order_is_exact() {
    let sorted = [
        "-Inf",
        "-1e30",
        "-2.5",
        "-1e-300",
        "0",
        "1e-300",
        "0.5",
        "1",
        "1.0000000000000000000000001",
        "9223372036854775807",
        "9223372036854775807.5",
        "9223372036854775808",
        "1e19000",
        "Inf",
    ];
    let numbers: Vec<_> = sorted.iter().map(|text| number(text)).collect();
    assert!(numbers.is_sorted());
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn floor_and_ceil_go_to_whole_numbers() {
    let both = |text| (number(text).floor().to_string(), number(text).ceil().to_string());
    let pair = |floor: &str, ceil: &str| (floor.to_owned(), ceil.to_owned());
    assert_eq!(both("2.5"), pair("2", "3"));
    assert_eq!(both("-2.5"), pair("-3", "-2"));
    assert_eq!(both("-0.5"), pair("-1", "0"));
    assert_eq!(
        both("1e30"),
        pair("1000000000000000000000000000000", "1000000000000000000000000000000")
    );
}

#[test]
fn floats_go_there_and_back() {
    for value in [0.1, -2.5, 5e-324, f64::MIN_POSITIVE, f64::MAX, 1e300, 123_456.789] {
        assert_eq!(Number::from_f64(value).unwrap().as_f64().to_bits(), value.to_bits());
    }
    assert_eq!(number("0.1").as_f64().to_bits(), 0.1_f64.to_bits());
}

#[test]
fn the_size_is_bounded() {
    assert_eq!(Number::parse("1e20000"), None);
    assert_eq!(Number::parse("1e-20000"), None);
    assert_eq!(Number::parse(&"9".repeat(30_000)), None);
    let mut number = number("1e10000");
    for _ in 0..40 {
        number = number.checked_mul(&number).unwrap();
    }
    assert!(number.is_infinite());
    assert_eq!(size_of::<Number>(), 16);
}
