"""From functions to functions: gradients, Jacobians, Hessians, and checks on them."""
