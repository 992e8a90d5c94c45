"""The simulated world: virtual time, and later simulated execution, fabric and provisioning."""
