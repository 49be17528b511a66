//! The table of all functions, sorted by name.

use super::arguments::{Kind, Parameter};
use super::{
    Body, Function, Handling, conversion, csv, encoding, files, format, hashes, json, lists, maps,
    network, numbers, patterns, sets, strings, time, yaml, yaml_reader,
};

use Handling::{Elementwise, Selective, Strict};
use Kind::{Any, Bool, List, Map, Number, Set, String};

const LIST: Kind = List(&Any);
const LIST_OF_STRING: Kind = List(&String);
const SET: Kind = Set(&Any);

const fn p(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind, nullable: false }
}

const fn nullable(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind, nullable: true }
}

const fn f(
    name: &'static str,
    parameters: &'static [Parameter],
    variadic: Option<Parameter>,
    handling: Handling,
    result: Kind,
    body: Body,
) -> Function {
    Function { name, parameters, variadic, handling, result, body }
}

#[rustfmt::skip]
pub(super) static FUNCTIONS: &[Function] = &[
    f("abs", &[p("num", Number)], None, Strict, Number, numbers::abs),
    f("abspath", &[p("path", String)], None, Strict, String, files::abspath),
    f("alltrue", &[p("list", List(&Bool))], None, Strict, Bool, lists::alltrue),
    f("anytrue", &[p("list", List(&Bool))], None, Strict, Bool, lists::anytrue),
    f("base64decode", &[p("str", String)], None, Strict, String, encoding::base64decode),
    f("base64encode", &[p("str", String)], None, Strict, String, encoding::base64encode),
    f("base64gzip", &[p("str", String)], None, Strict, String, encoding::base64gzip),
    f("base64sha256", &[p("str", String)], None, Strict, String, hashes::base64sha256),
    f("base64sha512", &[p("str", String)], None, Strict, String, hashes::base64sha512),
    f("basename", &[p("path", String)], None, Strict, String, files::basename),
    f("ceil", &[p("num", Number)], None, Strict, Number, numbers::ceil),
    f("chomp", &[p("str", String)], None, Strict, String, strings::chomp),
    f("chunklist", &[p("list", LIST), p("size", Number)], None, Elementwise, List(&LIST), lists::chunklist),
    f("cidrhost", &[p("prefix", String), p("hostnum", Number)], None, Strict, String, network::cidrhost),
    f("cidrnetmask", &[p("prefix", String)], None, Strict, String, network::cidrnetmask),
    f("cidrsubnet", &[p("prefix", String), p("newbits", Number), p("netnum", Number)], None, Strict, String, network::cidrsubnet),
    f("cidrsubnets", &[p("prefix", String)], Some(p("newbits", Number)), Strict, LIST_OF_STRING, network::cidrsubnets),
    f("coalesce", &[], Some(nullable("vals", Any)), Selective, Any, lists::coalesce),
    f("coalescelist", &[], Some(nullable("vals", Any)), Selective, Any, lists::coalescelist),
    f("compact", &[p("list", LIST_OF_STRING)], None, Strict, LIST_OF_STRING, lists::compact),
    f("concat", &[], Some(p("seqs", Any)), Elementwise, Any, lists::concat),
    f("contains", &[p("list", Any), p("value", Any)], None, Strict, Bool, lists::contains),
    f("csvdecode", &[p("str", String)], None, Strict, Any, csv::csvdecode),
    f("dirname", &[p("path", String)], None, Strict, String, files::dirname),
    f("distinct", &[p("list", LIST)], None, Strict, LIST, lists::distinct),
    f("element", &[p("list", Any), p("index", Number)], None, Elementwise, Any, lists::element),
    f("endswith", &[p("str", String), p("suffix", String)], None, Strict, Bool, strings::endswith),
    f("ephemeralasnull", &[nullable("value", Any)], None, Selective, Any, conversion::ephemeralasnull),
    f("file", &[p("path", String)], None, Strict, String, files::file),
    f("filebase64", &[p("path", String)], None, Strict, String, files::filebase64),
    f("filebase64sha256", &[p("path", String)], None, Strict, String, hashes::filebase64sha256),
    f("filebase64sha512", &[p("path", String)], None, Strict, String, hashes::filebase64sha512),
    f("fileexists", &[p("path", String)], None, Strict, Bool, files::fileexists),
    f("filemd5", &[p("path", String)], None, Strict, String, hashes::filemd5),
    f("fileset", &[p("path", String), p("pattern", String)], None, Strict, Set(&String), files::fileset),
    f("filesha1", &[p("path", String)], None, Strict, String, hashes::filesha1),
    f("filesha256", &[p("path", String)], None, Strict, String, hashes::filesha256),
    f("filesha512", &[p("path", String)], None, Strict, String, hashes::filesha512),
    f("flatten", &[p("list", Any)], None, Elementwise, Any, lists::flatten),
    f("floor", &[p("num", Number)], None, Strict, Number, numbers::floor),
    f("format", &[p("format", String)], Some(nullable("args", Any)), Strict, String, format::format),
    f("formatdate", &[p("format", String), p("time", String)], None, Strict, String, time::formatdate),
    f("formatlist", &[p("format", String)], Some(nullable("args", Any)), Strict, LIST_OF_STRING, lists::formatlist),
    f("indent", &[p("spaces", Number), p("str", String)], None, Strict, String, strings::indent),
    f("index", &[p("list", Any), p("value", Any)], None, Strict, Number, lists::index),
    f("issensitive", &[nullable("value", Any)], None, Selective, Bool, conversion::issensitive),
    f("join", &[p("separator", String)], Some(p("lists", LIST_OF_STRING)), Strict, String, strings::join),
    f("jsondecode", &[p("str", String)], None, Strict, Any, json::jsondecode),
    f("jsonencode", &[nullable("val", Any)], None, Strict, String, json::jsonencode),
    f("keys", &[p("inputMap", Any)], None, Elementwise, Any, maps::keys),
    f("length", &[p("value", Any)], None, Elementwise, Number, lists::length),
    f("log", &[p("num", Number), p("base", Number)], None, Strict, Number, numbers::log),
    f("lookup", &[p("inputMap", Any), p("key", String)], Some(nullable("default", Any)), Selective, Any, maps::lookup),
    f("lower", &[p("str", String)], None, Strict, String, strings::lower),
    f("matchkeys", &[p("values", LIST), p("keys", LIST), p("searchset", LIST)], None, Strict, LIST, lists::matchkeys),
    f("max", &[], Some(p("numbers", Number)), Strict, Number, numbers::max),
    f("md5", &[p("str", String)], None, Strict, String, hashes::md5),
    f("merge", &[], Some(nullable("maps", Any)), Elementwise, Any, maps::merge),
    f("min", &[], Some(p("numbers", Number)), Strict, Number, numbers::min),
    f("nonsensitive", &[nullable("value", Any)], None, Selective, Any, conversion::nonsensitive),
    f("one", &[p("list", Any)], None, Elementwise, Any, lists::one),
    f("parseint", &[p("number", Any), p("base", Number)], None, Strict, Number, numbers::parseint),
    f("pathexpand", &[p("path", String)], None, Strict, String, files::pathexpand),
    f("pow", &[p("num", Number), p("power", Number)], None, Strict, Number, numbers::pow),
    f("range", &[], Some(p("params", Number)), Strict, List(&Number), lists::range),
    f("regex", &[p("pattern", String), p("string", String)], None, Strict, Any, patterns::regex),
    f("regexall", &[p("pattern", String), p("string", String)], None, Strict, LIST, patterns::regexall),
    f("replace", &[p("str", String), p("substr", String), p("replace", String)], None, Strict, String, strings::replace),
    f("reverse", &[p("list", Any)], None, Elementwise, Any, lists::reverse),
    f("sensitive", &[nullable("value", Any)], None, Selective, Any, conversion::sensitive),
    f("setintersection", &[p("first_set", SET)], Some(p("other_sets", SET)), Strict, SET, sets::setintersection),
    f("setproduct", &[], Some(p("sets", Any)), Elementwise, Any, sets::setproduct),
    f("setsubtract", &[p("a", SET), p("b", SET)], None, Strict, SET, sets::setsubtract),
    f("setunion", &[p("first_set", SET)], Some(p("other_sets", SET)), Strict, SET, sets::setunion),
    f("sha1", &[p("str", String)], None, Strict, String, hashes::sha1),
    f("sha256", &[p("str", String)], None, Strict, String, hashes::sha256),
    f("sha512", &[p("str", String)], None, Strict, String, hashes::sha512),
    f("signum", &[p("num", Number)], None, Strict, Number, numbers::signum),
    f("slice", &[p("list", Any), p("start_index", Number), p("end_index", Number)], None, Elementwise, Any, lists::slice),
    f("sort", &[p("list", LIST_OF_STRING)], None, Strict, LIST_OF_STRING, lists::sort),
    f("split", &[p("separator", String), p("str", String)], None, Strict, LIST_OF_STRING, strings::split),
    f("startswith", &[p("str", String), p("prefix", String)], None, Strict, Bool, strings::startswith),
    f("strcontains", &[p("str", String), p("substr", String)], None, Strict, Bool, strings::strcontains),
    f("strrev", &[p("str", String)], None, Strict, String, strings::strrev),
    f("substr", &[p("str", String), p("offset", Number), p("length", Number)], None, Strict, String, strings::substr),
    f("sum", &[p("list", Any)], None, Strict, Number, numbers::sum),
    f("textdecodebase64", &[p("source", String), p("encoding", String)], None, Strict, String, encoding::textdecodebase64),
    f("textencodebase64", &[p("string", String), p("encoding", String)], None, Strict, String, encoding::textencodebase64),
    f("timeadd", &[p("timestamp", String), p("duration", String)], None, Strict, String, time::timeadd),
    f("timecmp", &[p("timestamp_a", String), p("timestamp_b", String)], None, Strict, Number, time::timecmp),
    f("title", &[p("str", String)], None, Strict, String, strings::title),
    f("tobool", &[nullable("v", Any)], None, Strict, Bool, conversion::tobool),
    f("tolist", &[nullable("v", Any)], None, Elementwise, LIST, conversion::tolist),
    f("tomap", &[nullable("v", Any)], None, Elementwise, Map(&Any), conversion::tomap),
    f("tonumber", &[nullable("v", Any)], None, Strict, Number, conversion::tonumber),
    f("toset", &[nullable("v", Any)], None, Elementwise, SET, conversion::toset),
    f("tostring", &[nullable("v", Any)], None, Strict, String, conversion::tostring),
    f("transpose", &[p("values", Map(&LIST_OF_STRING))], None, Strict, Map(&LIST_OF_STRING), maps::transpose),
    f("trim", &[p("str", String), p("cutset", String)], None, Strict, String, strings::trim),
    f("trimprefix", &[p("str", String), p("prefix", String)], None, Strict, String, strings::trimprefix),
    f("trimspace", &[p("str", String)], None, Strict, String, strings::trimspace),
    f("trimsuffix", &[p("str", String), p("suffix", String)], None, Strict, String, strings::trimsuffix),
    f("upper", &[p("str", String)], None, Strict, String, strings::upper),
    f("urlencode", &[p("str", String)], None, Strict, String, encoding::urlencode),
    f("uuidv5", &[p("namespace", String), p("name", String)], None, Strict, String, hashes::uuidv5),
    f("values", &[p("mapping", Any)], None, Elementwise, Any, maps::values),
    f("yamldecode", &[p("src", String)], None, Strict, Any, yaml_reader::yamldecode),
    f("yamlencode", &[nullable("value", Any)], None, Strict, String, yaml::yamlencode),
    f("zipmap", &[p("keys", LIST_OF_STRING), p("values", Any)], None, Elementwise, Any, maps::zipmap),
];
