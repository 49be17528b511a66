gate "errors" {
  prometheus {
    url   = "http://127.0.0.1:9090"
    bad   = "sum(increase(requests{code=~\"5..\",$candidate}[$window])) or vector(0)"
    total = "sum(increase(requests{$candidate}[$window]))"
  }
  rate {
    proceed_below  = 0.001
    rollback_above = 0.01
    min_sample     = 1000
  }
}

rollout "careful" {
  stage "canary" {
    nodes    = "5%"
    bake     = "15m"
    deadline = "30m"
    gate "errors" {}
  }

  stage "all" {
    nodes    = "100%"
    bake     = "1h"
    deadline = "2h"
    gate "errors" {}
  }
}

node_set "edge" {
  pool "a" {
    source = "./node"
    size   = 3
  }
  rollout = "careful"
}
