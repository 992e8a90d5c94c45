"""The simulated world: virtual time, executors that compute nothing, and a service of replicas that run in it.

Start at `service.py` (what a run is) and `simulated_executor.py` (what a step takes); `simulated_fabric.py` and
`simulated_provisioning.py` are the world between and around replicas.
"""
