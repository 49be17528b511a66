Hello, ${nmae}!
