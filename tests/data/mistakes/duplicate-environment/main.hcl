environment "a" {}

environment "b" {}
