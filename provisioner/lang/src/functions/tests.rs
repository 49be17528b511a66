//! What the functions do with marks, unknown parts and mistakes. Their values are compared with Terraform's in
//! `tests/expressions.rs`.

use super::*;
use crate::source::FileSystem;
use model::{Address, Data, Number, Residual};

fn call_here(name: &str, arguments: &[Value]) -> Result<Value, FunctionError> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    call(
        name,
        arguments,
        &FunctionContext { loader: &FileSystem, module_dir: &fixtures, run: None },
    )
}

fn answer(name: &str, arguments: &[Value]) -> Value {
    call_here(name, arguments).unwrap()
}

#[test]
fn the_table_is_sorted() {
    assert!(names().is_sorted());
    assert!(exists("merge") && !exists("merges"));
}

fn origin(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn unknown(text: &str) -> Value {
    Value::output(&origin(text), "id", Type::String)
}

#[test]
fn moved_elements_keep_their_own_marks() {
    let (a, b) = (unknown("machine.a"), unknown("machine.b"));
    let list = Value::tuple([a.clone(), b.clone()]);
    assert!(ready("element", &[list.clone(), 1.into()]));
    assert_eq!(answer("element", &[list.clone(), 1.into()]), b);
    assert_eq!(answer("length", std::slice::from_ref(&list)), 2.into());
    let map = Value::object([("a", a.clone()), ("b", b.clone())]);
    assert_eq!(answer("lookup", &[map.clone(), "a".into(), b.clone()]), a);
    let merged = answer("merge", &[map, Value::object([("c", Value::from("k").into_sensitive())])]);
    assert!(!merged.marks().sensitive && merged.get("c").unwrap().marks().sensitive);
    assert_eq!(merged.get("b").unwrap(), b);
    let flat = answer("flatten", &[Value::tuple([list, a.clone()])]);
    assert_eq!(flat.as_items().unwrap(), [a.clone(), b, a]);
}

#[test]
fn marks_of_a_collection_follow_what_is_taken_from_it() {
    let secret = Value::tuple(["x".into()]).into_sensitive();
    assert!(answer("element", &[secret.clone(), 0.into()]).marks().sensitive);
    assert!(answer("length", std::slice::from_ref(&secret)).marks().sensitive);
    assert!(answer("flatten", &[Value::tuple([secret])]).marks().sensitive);
}

#[test]
fn strict_functions_gather_all_marks() {
    let from = |text: &str| Value::from("x").with_origin(&origin(text));
    let joined =
        answer("join", &["-".into(), Value::tuple([from("m.a"), from("m.b").into_sensitive()])]);
    assert_eq!(joined.as_str(), Some("x-x"));
    assert!(joined.marks().sensitive);
    assert_eq!(joined.deep_origins(), [origin("m.a"), origin("m.b")].into());
    assert!(!ready("join", &["-".into(), Value::tuple([unknown("m.a")])]));
}

#[test]
fn what_is_not_chosen_leaves_no_marks() {
    let chosen = Value::from("x").with_origin(&origin("m.a"));
    let other = Value::from("y").with_origin(&origin("m.b"));
    let value = answer("coalesce", &[Value::null(Type::String), chosen.clone(), other.clone()]);
    assert_eq!(value, chosen);
    assert!(ready("coalesce", &[chosen, unknown("m.b")]));
    assert!(!ready("coalesce", &["".into(), unknown("m.b")]));
    let map = Value::object([("a", other.clone())]);
    assert_eq!(answer("lookup", &[map, "a".into(), unknown("m.c")]), other);
}

#[test]
fn it_is_known_when_the_number_of_elements_is_not() {
    let list = Value::unknown(Type::list(Type::String), Residual::Opaque);
    assert!(!ready("flatten", &[Value::tuple([list.clone()])]));
    assert!(ready("flatten", &[Value::tuple([unknown("m.a")])]));
    assert!(!ready("length", &[list]));
    assert!(!ready("toset", &[Value::tuple([unknown("m.a")])]));
    assert!(ready("tolist", &[Value::tuple([unknown("m.a")])]));
}

#[test]
fn converted_lists_keep_unknown_elements() {
    let list = answer("tolist", &[Value::tuple(["a".into(), unknown("m.a")])]);
    assert_eq!(list.ty(), Type::list(Type::String));
    assert!(matches!(list.as_items().unwrap()[1].data(), Data::Unknown(_)));
}

#[test]
fn errors_name_the_argument_and_no_secret() {
    let cases: &[(&str, &[Value], Option<usize>, &str)] = &[
        ("upper", &[], None, "`str` is missing"),
        ("upper", &["a".into(), "b".into()], Some(1), "takes 1 argument"),
        ("substr", &["a".into(), "x".into(), 1.into()], Some(1), "`offset` must be a number"),
        ("join", &[",".into(), Value::null(Type::Any)], Some(1), "`lists` must not be null"),
        ("regex", &["(".into(), "secret".into()], Some(0), "not a regular expression"),
        ("tonumber", &["secret".into()], Some(0), "cannot become a number"),
        ("jsondecode", &["{secret".into()], Some(0), "line 1, column 2"),
        ("file", &["no-such-file".into()], Some(0), "there is no file `no-such-file`"),
    ];
    for (name, arguments, argument, part) in cases {
        let error = call_here(name, arguments).unwrap_err();
        assert_eq!(error.argument, *argument, "{name}: {error}");
        assert!(error.message.contains(part), "{name}: {error}");
        assert!(!error.message.contains("secret"), "{name}: {error}");
    }
}

#[test]
fn networks_reach_from_end_to_end() {
    let all = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    assert_eq!(answer("cidrhost", &["::/0".into(), (-1).into()]), all.into());
    assert_eq!(answer("cidrsubnet", &["::/0".into(), 0.into(), 0.into()]), "::/0".into());
    assert_eq!(answer("cidrhost", &["10.0.0.7/32".into(), 0.into()]), "10.0.0.7".into());
    assert!(call_here("cidrsubnets", &["0.0.0.0/0".into(), 1.into(), 1.into(), 1.into()]).is_err());
}

#[test]
fn files_are_read_beside_the_module() {
    assert_eq!(
        answer("trimspace", &[answer("file", &["dir/hello.txt".into()])]),
        "hello world".into()
    );
    assert!(answer("abspath", &["dir".into()]).as_str().unwrap().ends_with("/data/dir"));
    assert!(call_here("pathexpand", &["~/x".into()]).is_err());
    let gzip = answer("base64gzip", &["x".into()]);
    assert!(gzip.as_str().unwrap().starts_with("H4sIA"));
}

#[test]
fn formats_pad_and_point() {
    let format = |template: &str, value: Value| {
        answer("format", &[template.into(), value]).as_str().unwrap().to_owned()
    };
    assert_eq!(format("%-5s|", "ab".into()), "ab   |");
    assert_eq!(format("%05d", (-42).into()), "-0042");
    assert_eq!(format("%#x", 255.into()), "0xff");
    assert_eq!(format("%v", Value::tuple([1.into(), "a".into()])), "[1,\"a\"]");
    assert_eq!(format("%.1f", Number::parse("2.25").unwrap().into()), "2.2");
    assert_eq!(format("%g", Number::from(100_000_000).into()), "1e+08");
    assert_eq!(format("%.3g", Number::parse("1234.5").unwrap().into()), "1.23e+03");
}

#[test]
fn what_is_sealed_for_a_key_is_opened_with_it() {
    // Keys made for this test, in the forms of OpenSSL and OpenSSH; sealed with `openssl pkeyutl`.
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/rsa");
    let read = |name: &str| Value::from(std::fs::read_to_string(fixtures.join(name)).unwrap());
    let sealed = read("sealed.txt");
    for form in ["pkcs8.pem", "pkcs1.pem", "openssh.pem"] {
        let opened = answer("rsadecrypt", &[sealed.clone(), read(form).into_sensitive()]);
        assert_eq!(opened.as_str(), Some("the secret é"), "{form}");
        assert!(opened.marks().sensitive);
    }
    let message = |sealed: &Value, key: &str| {
        call_here("rsadecrypt", &[sealed.clone(), key.into()]).unwrap_err().message
    };
    assert!(message(&"eA==".into(), read("pkcs8.pem").as_str().unwrap()).contains("not encrypted"));
    assert!(message(&"?".into(), "").contains("base64"));
    assert!(message(&sealed, "ssh-rsa AAAA").contains("no private key"));
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\neA==\n-----END ENCRYPTED PRIVATE KEY-----";
    assert!(message(&sealed, locked).contains("passphrase"));
    let other = "-----BEGIN EC PRIVATE KEY-----\neA==\n-----END EC PRIVATE KEY-----";
    assert!(message(&sealed, other).contains("not the private key of RSA"));
    let damaged = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----";
    assert!(message(&sealed, damaged).contains("damaged"));
}
