locals {
  zones = ["a" "b"]
}
