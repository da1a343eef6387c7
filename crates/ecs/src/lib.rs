//! The Alibaba Cloud ECS dialect of Pileus.
