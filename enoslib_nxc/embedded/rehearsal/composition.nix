# Machines to rehearse Grid'5000 on: nodes in their standard environment, and a frontend.
#
# The deployment JSON's `parameters` may say (all optional):
#   keys    {account: public key}; without, an account has the key of the deployment
#   leases  ["MAC,ADDRESS,NAME"], what the frontend's DHCP gives; without, see dhcp.sh
#   domain  of the site; where a node has one, homes come from nfs.DOMAIN, and users may log
#           in while http://oar.DOMAIN has a line "NODE USER"
#   release of a node: the name of its environment
# and for the frontend only:
#   networks  ["ADDRESS/LENGTH,NETWORK,MASK"], its addresses beside that of ip=; DHCP on each
#   names     ["ADDRESS NAME..."] that its DNS knows beside those of the leases
#   routes    ["NETWORK/LENGTH via ADDRESS"] to other sites
{ ... }: {
  roles = {
    node.imports = [ ./accounts.nix ./node.nix ];
    frontend.imports = [ ./accounts.nix ./frontend.nix ];
  };
}
