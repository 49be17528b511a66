# What the expressions of unknown.jsonl refer to: values of every kind that are not known yet, and secrets.

resource "terraform_data" "u" { input = "a" }
resource "terraform_data" "k" { input = "k" }
resource "terraform_data" "n" { input = 5 }
resource "terraform_data" "obj" { input = { a = 1, b = "x" } }
resource "terraform_data" "tup" { input = ["x", 2] }
resource "terraform_data" "lst" { input = tolist(["x", "y"]) }
resource "terraform_data" "st" { input = toset(["x", "y"]) }
resource "terraform_data" "mp" { input = tomap({ a = "x", b = "y" }) }
locals {
  id   = terraform_data.u.id
  us   = terraform_data.u.output
  un   = terraform_data.n.output
  ub   = terraform_data.u.id == "a"
  ua   = jsondecode(terraform_data.u.id)
  uo   = terraform_data.obj.output
  ut   = terraform_data.tup.output
  ul   = terraform_data.lst.output
  ust  = terraform_data.st.output
  um   = terraform_data.mp.output
  sp   = split(",", terraform_data.u.id)
  pre  = "x-${terraform_data.u.id}"
  s    = sensitive("s")
  sn   = sensitive(3)
  sb   = sensitive(true)
  sl   = sensitive(["p", "q"])
  so   = sensitive({ k = "v" })
  pl   = ["p", sensitive("q")]
  po   = { k = sensitive("v"), l = "w" }
}
