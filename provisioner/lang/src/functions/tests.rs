//! The functions against recorded answers, and what they do with marks and unknown parts.
//!
//! `testdata/corpus.jsonl` has Terraform 1.11's answers: `{expr, type, result}`, or `{expr, fails: true}`.
//! Only expressions made of calls and literals are read here; all others belong to the evaluator's tests.

use super::*;
use crate::source::FileSystem;
use crate::syntax::{Expr, ItemKey, Kind, Unary, parse_expression};
use model::value::Entries;
use model::{Address, Data, Number, Residual};
use serde_json::Value as Json;

/// Answers we do not give, each with its reason.
const DIFFERENT: &[(&str, &str)] = &[
    // Numbers are exact within 64 bits and floats beyond; no third of 512 bits.
    ("12345678901234567890", "beyond 64 bits"),
    ("1e100", "written in full, as a float"),
    ("tostring(1e21)", "a float writes it the same way, through another path"),
    // Not functions of their arguments.
    ("bcrypt(", "random"),
    ("uuid()", "random"),
    ("timestamp()", "reads the clock"),
    ("rsadecrypt(", "not yet"),
    ("yamldecode(", "not yet"),
    ("Shift_JIS", "encodings with tables are not supported"),
    ("windows-1252", "encodings with tables are not supported"),
    ("base64gzip(", "another compressor, other bytes"),
    ("tonumber(\"Inf\")", "infinity is not a number that people write"),
];

fn eval(expr: &Expr) -> Option<Result<Value, FunctionError>> {
    match &expr.kind {
        Kind::Literal(value) => Some(Ok(value.clone())),
        Kind::Parens(inner) => eval(inner),
        Kind::Unary(Unary::Negate, operand) => {
            let value = eval(operand)?.ok()?.as_number()?;
            Some(Ok(Number::parse(&format!("-{value}"))?.into()))
        }
        Kind::Tuple(items) => {
            let items = items.iter().map(eval).collect::<Option<Result<Vec<_>, _>>>()?;
            Some(items.map(Value::tuple))
        }
        Kind::Object(items) => {
            let mut entries = Entries::new();
            for item in items {
                let key = match &item.key {
                    ItemKey::Name(name) => name.text.clone(),
                    ItemKey::Expr(key) => eval(key)?.ok()?.as_str()?.into(),
                };
                match eval(&item.value)? {
                    Ok(value) => entries.insert(key, value),
                    Err(error) => return Some(Err(error)),
                };
            }
            Some(Ok(Value::object(entries)))
        }
        Kind::Call(function) => {
            let name = function.name.text.as_ref();
            if matches!(name, "try" | "can" | "templatefile" | "templatestring") {
                return None;
            }
            let mut values = Vec::new();
            for argument in &function.arguments {
                match eval(argument)? {
                    Ok(value) => values.push(value),
                    Err(error) => return Some(Err(error)),
                }
            }
            if function.expand {
                let last = values.pop()?;
                values.extend(last.as_items()?.iter().cloned());
            }
            Some(call_here(name, &values))
        }
        _ => None,
    }
}

fn call_here(name: &str, arguments: &[Value]) -> Result<Value, FunctionError> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/functions/testdata");
    call(name, arguments, &FunctionContext { loader: &FileSystem, module_dir: &fixtures })
}

fn answer(name: &str, arguments: &[Value]) -> Value {
    call_here(name, arguments).unwrap()
}

/// A type as Terraform's `type` prints it.
fn type_text(ty: &Type) -> String {
    match ty {
        Type::Any => "dynamic".to_owned(),
        Type::List(element) => format!("list({})", type_text(element)),
        Type::Set(element) => format!("set({})", type_text(element)),
        Type::Map(element) => format!("map({})", type_text(element)),
        Type::Tuple(items) => {
            let items: Vec<_> = items.iter().map(type_text).collect();
            format!("tuple([{}])", items.join(", "))
        }
        Type::Object(fields) => {
            let field = |(name, field): (&std::sync::Arc<str>, &model::types::Field)| {
                format!("{name}: {}", type_text(&field.ty))
            };
            let fields: Vec<_> = fields.iter().map(field).collect();
            format!("object({{{}}})", fields.join(", "))
        }
        other => other.to_string(),
    }
}

fn same(left: &Json, right: &Json) -> bool {
    match (left, right) {
        // To the last digit but one: JSON's own reader may be off by one in the last.
        (Json::Number(left), Json::Number(right)) => {
            let (left, right) = (left.as_f64().unwrap(), right.as_f64().unwrap());
            (left - right).abs() <= right.abs() * 1e-15
        }
        (Json::Array(left), Json::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(l, r)| same(l, r))
        }
        (Json::Object(left), Json::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, l)| right.get(name).is_some_and(|r| same(l, r)))
        }
        (left, right) => left == right,
    }
}

/// What is wrong with our answer, if anything.
fn judge(record: &Json, ours: &Result<Value, FunctionError>) -> Option<String> {
    let fails = record.get("fails").is_some();
    match ours {
        Err(_) if fails => None,
        Err(error) => Some(format!("fails: {error}")),
        Ok(value) if fails => Some(format!("gives {value:?} and should fail")),
        Ok(value) => {
            let json = value.to_plain_json().unwrap();
            let (ty, sensitive) = (type_text(&value.ty()), value.deep_marks().sensitive);
            let right = same(&json, &record["result"])
                && record["type"] == ty
                && sensitive == record.get("sensitive").is_some();
            (!right).then(|| format!("gives {json} of type {ty}, should be {record}"))
        }
    }
}

#[test]
fn answers_are_terraforms() {
    let corpus = include_str!("testdata/corpus.jsonl");
    let (mut judged, mut wrong) = (0, Vec::new());
    for line in corpus.lines() {
        let record: Json = serde_json::from_str(line).unwrap();
        let text = record["expr"].as_str().unwrap();
        if DIFFERENT.iter().any(|(part, _)| text.contains(part)) {
            continue;
        }
        let Some(ours) = parse_expression("", text).ok().and_then(|parsed| eval(&parsed.root))
        else {
            continue;
        };
        judged += 1;
        wrong.extend(judge(&record, &ours).map(|what| format!("{text}\n    {what}")));
    }
    assert!(wrong.is_empty(), "{} of {judged} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(judged > 400, "only {judged} expressions were judged");
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
    assert!(answer("abspath", &["dir".into()]).as_str().unwrap().ends_with("/testdata/dir"));
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
