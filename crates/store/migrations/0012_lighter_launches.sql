-- Addresses of an interface are found by its VPC and the addresses in its row; every launch paid for an index that only removals used.
DROP INDEX interface_address_interface;
