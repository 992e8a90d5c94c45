"""What is asked of a server, and when: recorded traces and generators, for simulation and benchmarks alike.

Start at `registry.py` (`find_workload`) and `sessions.py` (what a workload is made of).
"""
