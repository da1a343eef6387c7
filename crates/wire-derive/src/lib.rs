//! Derives for the request and reply types of Pileus' dialects.
