environment "e" {
  state {
    backend = "postgers"
  }
}
