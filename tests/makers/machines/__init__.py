"""What stands around the program in tests: browsers, servers, disks, devices, processes."""
