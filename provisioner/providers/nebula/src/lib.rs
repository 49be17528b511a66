//! provider-nebula
