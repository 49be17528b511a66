#   A comment that begins a file.
variable   name   {
type="string"
   description   =   "what it is called"
}
variable "names" {
  type = list
  default=[ ]
  nullable=false   # may be empty
}
variable "tags" { type = "map" }
variable "set" {
  type = set
}
variable "kept" {
  type = object({name=string,size=optional(number,-1)})
}
locals {
a=1
bcd   =  2
    long_name = [1,2 ,3]
    e = "${var.name}"
    f = "${ var.name }-x"
    g = "${
      var.name == "a"
      ? 1
      : 2
    }"
    h = "${format("%s-${var.name}","x")}"
    i = "${var.name}"
    nested={a={b={}}}

    negative = -1 - -2 * ( -3 )
    condition = !var.kept&&(a<b||c>=d) ? a.b [ 0 ] : c [*].d
    splat=a.*.b
    legacy = a . 0 . b
    func = max ( 1 , -2, [1,2]... )
    namespaced = core :: upper ( "x" )
    each = [for k,v in [1,2]:v if v!=1]
    map = {for k , v in var.tags:k=>v...}
    object = {
      a=1, "b"   = 2
      (local.a)= 3 # computed
      longest_key  :  4
    }
    empty = {   }
    one_line = { a = 1 , b:2 }
    /* a block
         comment */
    after = 1 /* inline */ + 2
    // another style
    text = <<EOT
   stays ${ var.name } as   it is
 %{ if a }x%{ endif }
EOT
    indented = <<-EOT
      also ${var.name}
      here
    EOT
    call = f(<<-A
      text
    A
    ,1)
    template = "%{ if var.name=="a" }yes%{else}no%{endif}"
    several = [
    1,
        2,
          {
      a=1
        },
    ]
    deep = [[[
      1
    ]]]
    closing = f({
      a = 1
      bb = 2
    })
}


resource terraform_data   "x"   {
count=2
  input=self.x


  lifecycle{
    ignore_changes=all
      create_before_destroy   =  true # because
    prevent_destroy = false     // why not
  }
  dynamic "setting"{
    for_each=toset([])
    content{ name=setting.key }
  }
}
block /* odd */ label "two" { }
