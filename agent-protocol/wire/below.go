package wire

// BelowOption marks a mount in a container's document as one that the host had
// mounted below a volume, and that nobody asked for by itself: where the volume
// has no place for it any more, the container goes without it.
const BelowOption = "x-kata.below"

// BundleAnnotation tells a container's hooks in the guest where its bundle is on the
// host: it is in the document only, and not in what hooks see.
const BundleAnnotation = "io.kata.bundle"
