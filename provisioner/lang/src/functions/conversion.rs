//! Conversions between types, and the sensitive mark.

use super::convert_unifying;
use super::{FunctionContext, FunctionError};
use model::convert::article;
use model::{Type, Value};

type Answer = Result<Value, FunctionError>;

fn converted(args: &[Value], ty: &Type) -> Answer {
    convert_unifying(&args[0], ty).map_err(|error| {
        // The message of a conversion never holds the value.
        FunctionError::argument(0, format!("this cannot become {}: {error}", article(ty)))
    })
}

pub(super) fn tostring(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    converted(args, &Type::String)
}

pub(super) fn tonumber(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    converted(args, &Type::Number)
}

pub(super) fn tobool(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    converted(args, &Type::Bool)
}

pub(super) fn tolist(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    converted(args, &Type::list(Type::Any))
}

pub(super) fn toset(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    converted(args, &Type::set(Type::Any))
}

pub(super) fn tomap(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    converted(args, &Type::map(Type::Any))
}

#[expect(clippy::unnecessary_wraps, reason = "all functions of the table have one signature")]
pub(super) fn sensitive(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    Ok(args[0].clone().into_sensitive())
}

#[expect(clippy::unnecessary_wraps, reason = "all functions of the table have one signature")]
pub(super) fn nonsensitive(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    Ok(args[0].clone().into_nonsensitive())
}

#[expect(clippy::unnecessary_wraps, reason = "all functions of the table have one signature")]
pub(super) fn issensitive(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    Ok(args[0].marks().sensitive.into())
}

#[expect(clippy::unnecessary_wraps, reason = "all functions of the table have one signature")]
pub(super) fn ephemeralasnull(args: &[Value], _: &FunctionContext<'_>) -> Answer {
    Ok(args[0].ephemeral_as_null())
}
