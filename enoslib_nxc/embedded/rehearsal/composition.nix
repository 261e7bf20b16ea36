# Machines to rehearse Grid'5000 on: nodes in their standard environment, and a frontend.
#
# The deployment JSON's `parameters` may say (all optional):
#   keys    {account: public key}; without, an account has the key of the deployment
#   leases  ["MAC,ADDRESS,NAME"], what the frontend's DHCP gives; without, see dhcp.sh
#   domain  of the site
{ ... }: {
  roles = {
    node.imports = [ ./accounts.nix ./node.nix ];
    frontend.imports = [ ./accounts.nix ./frontend.nix ];
  };
}
