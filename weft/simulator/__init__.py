"""The simulated world: virtual time, executors that compute nothing, and a service of replicas that run in it.

Start at `service.py` (what a run is) and `simulated_executor.py` (what a step takes); later fabric and provisioning.
"""
