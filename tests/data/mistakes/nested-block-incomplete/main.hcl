resource "local_machine" "web" {
  name = "web"

  volumes {
    volume = "data"
    path   = "/data"
  }

  volumes {
    volume = "logs"
  }

  dynamic "volumes" {
    for_each = ["a", "b"]
    content {
      volum = volumes.value
      path  = "/${volumes.value}"
    }
  }
}
