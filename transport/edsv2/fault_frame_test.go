package edsv2

var frameFaults, ackFaults, closeFaults []fault
