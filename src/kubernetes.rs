//! What KEDA and Kubernetes know of our ScaledJobs, watched and published as one [`ClusterView`](crate::cluster_view).
