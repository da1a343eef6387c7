//! The EC2 dialect of Pileus.
